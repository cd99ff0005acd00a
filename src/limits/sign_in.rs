//! Signing in.

use std::time::Duration;

/// One request to an authorization server or for a metadata document, its body included.
pub const OAUTH_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a metadata document or of an answer of an authorization server.
pub const MAX_OAUTH_BODY: usize = 1 << 20;

/// Finding the authorization server, all requests together.
pub const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Hosts that connections are kept to while signing in; then all of them are forgotten.
pub const MAX_OAUTH_CLIENTS: usize = 8;

/// Discovery documents that are remembered for people to see. Five issuers have fifteen places.
pub const MAX_RECORDED_DOCUMENTS: usize = 32;

/// Authorization servers of one resource that are tried.
pub const MAX_AUTHORIZATION_SERVERS: usize = 5;

/// Bytes of the `WWW-Authenticate` fields of one response; what is beyond is not read.
pub const MAX_CHALLENGE: usize = 16 << 10;

/// Times one request is sent again after a challenge: a stored token that was refused, a refreshed
/// one, one with more scope. Then the refusal is reported.
pub const MAX_CHALLENGES: usize = 3;

/// Origins whose last DPoP nonce is remembered: the MCP server and what it has redirected to, or the
/// authorization servers. The oldest gives way.
pub const MAX_DPOP_ORIGINS: usize = 8;

/// Bytes of a DPoP nonce. It goes into every request; real ones have some dozens.
pub const MAX_DPOP_NONCE: usize = 512;

/// Algorithms of an authorization server that a check shows. Real ones list a dozen at most.
pub const MAX_SHOWN_ALGORITHMS: usize = 16;

/// The clock is told to be the reason why a DPoP proof was refused if it differs by more from the
/// server's. Servers accept proofs for seconds to minutes (RFC 9449, section 11.1).
pub const DPOP_CLOCK_SKEW: Duration = Duration::from_secs(10);

/// Interactive step-ups of one process within [`TAB_INTERVAL`], each for another set of scopes, so
/// that a server that always wants more cannot keep people busy.
pub const MAX_STEP_UPS: usize = 2;

/// How long a person may take to sign in (`--auth-timeout`).
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(300);

/// `initialize` is answered by us when signing in takes longer (`--initialize-deadline`): below the
/// 30 s of the less patient clients. Requests wait this long where no browser could be opened.
pub const INITIALIZE_DEADLINE: Duration = Duration::from_secs(20);

/// One tab for each server within this, on the whole machine, unless a person runs `login`.
pub const TAB_INTERVAL: Duration = Duration::from_secs(600);

/// What starting the browser may take before it counts as started.
pub const BROWSER_TIMEOUT: Duration = Duration::from_secs(5);

/// Times that the port of a process which has died is tried.
pub const RESUME_ATTEMPTS: u32 = 5;

/// Connections to the callback listener that are served at once; the oldest gives way to a further one.
pub const MAX_CALLBACK_CONNECTIONS: usize = 16;

/// Bytes of the head of one request to the callback listener. Authorization codes of some
/// providers have kilobytes.
pub const MAX_CALLBACK_HEAD: usize = 32 << 10;

/// One connection to the callback listener, from its start to the end of the page.
pub const CALLBACK_CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the browser waits for the page that says how the sign-in ended: the exchange of the code
/// with a few attempts; the answer after this does not depend on it.
pub const CALLBACK_PAGE_TIMEOUT: Duration = Duration::from_secs(45);

/// The pause after a connection that could not be accepted.
pub const CALLBACK_ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Characters of one text on a page in the browser.
pub const MAX_PAGE_TEXT: usize = 500;

/// Fallback ports for the callback beside the preferred one; then the system chooses.
pub const CALLBACK_PORTS: u16 = 4;

/// What a person may paste wrongly in one sign-in.
pub const MAX_PASTES: usize = 8;

/// Bytes of what a person pastes: as much as the callback listener takes.
pub const MAX_PASTE: usize = MAX_CALLBACK_HEAD;

/// Codes for another device that one sign-in asks for, each after the one before has expired.
pub const MAX_DEVICE_CODES: usize = 3;

/// The life of such a code where the authorization server does not say.
pub const DEVICE_CODE_LIFE: Duration = Duration::from_secs(300);

/// The pause between two questions whether somebody has entered the code, where the authorization
/// server does not say (RFC 8628, section 3.2).
pub const DEVICE_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest such pause, whatever the authorization server says.
pub const DEVICE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The longest: nobody waits longer than a day.
pub const DEVICE_INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// How much longer it gets each time the authorization server finds it too short (RFC 8628, section
/// 3.5).
pub const DEVICE_SLOW_DOWN: Duration = Duration::from_secs(5);

/// Characters of a code that a person is to enter. Real ones have 6 to 12.
pub const MAX_USER_CODE: usize = 40;

/// Characters of the URL where it is entered.
pub const MAX_VERIFICATION_URI: usize = 2000;

/// An access token is refreshed when it has less than this left, or less than a tenth of its life,
/// whichever is shorter.
pub const REFRESH_MARGIN: Duration = Duration::from_secs(60);

/// The life of what we sign to prove who we are: one request, and clocks that differ a little.
pub const CLIENT_ASSERTION_LIFE: Duration = Duration::from_secs(120);

/// How far this machine's clock may be ahead of an identity provider's before an id token that has just
/// been issued counts as expired: as most libraries have it.
pub const ID_TOKEN_LEEWAY: Duration = Duration::from_secs(300);

/// Attempts to refresh, or to exchange a code, when the authorization server is in trouble.
pub const REFRESH_ATTEMPTS: u32 = 3;

/// After a refresh that failed, none is tried before a request for this long.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// Tabs for one server within [`TAB_INTERVAL`] where the one before has been answered, or each is
/// for something else: another authorization server, or more scope.
pub const MAX_TABS: u32 = 3;

/// After a sign-in that failed, requests get the same error for this long, instead of each trying
/// again.
pub const SIGN_IN_PAUSE: Duration = Duration::from_secs(60);
