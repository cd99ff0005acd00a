//! What is kept: the keyring, files, secrets from elsewhere, AWS.

use std::time::Duration;

/// One call to the OS keyring, the first included: a bus that never answers must not stop anything.
pub const KEYRING_TIMEOUT: Duration = Duration::from_secs(2);

/// The same where a person is there to unlock it (`login` by hand).
pub const KEYRING_PATIENCE: Duration = Duration::from_secs(60);

/// Bytes in one item of the Windows Credential Manager (`CRED_MAX_CREDENTIAL_BLOB_SIZE`).
pub const KEYRING_ITEM_BYTES: usize = 2560;

/// Items that one record is split into at most.
pub const KEYRING_PARTS: usize = 64;

/// Bytes of a stored record or cached result that are read.
pub const MAX_STORED: usize = 1 << 20;

/// Waiting for the lock of a record: longer than a refresh takes with all its attempts.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a lock, or the sign-in of another process, is looked at.
pub const LOCK_POLL: Duration = Duration::from_millis(100);

/// Attempts to read a record that another process is writing.
pub const KEYRING_READS: usize = 3;

/// Servers with a record that are listed.
pub const MAX_STORED_SERVERS: usize = 10_000;

/// Our own configuration file, in bytes. One with a hundred servers has some twenty thousand.
pub const MAX_CONFIG_FILE: usize = 1 << 20;

/// Servers that may be named in it.
pub const MAX_NAMED_SERVERS: usize = 1000;

/// Mistakes in it that are told of at once. Who has more will look again.
pub const MAX_CONFIG_PROBLEMS: usize = 100;

/// Characters of a server's name, which is typed again and again.
pub const MAX_SERVER_NAME: usize = 64;

/// Bytes of a file of another bridge with sign-ins: a hundred servers with tokens of 10 KiB each.
pub const MAX_FOREIGN_STORE: usize = 1 << 20;

/// Bytes of a file with headers (`--header-file` of mcp-remote).
pub const MAX_HEADER_FILE: usize = 64 << 10;

/// Files of ours that are looked at in one folder.
pub const MAX_FILES_SEEN: usize = 10_000;

/// How old a file must be before it counts as left behind: writing one takes milliseconds.
pub const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Bytes of the file of an administrator (`enterprise.toml`): a thousand servers and their comments.
pub const MAX_ENTERPRISE_FILE: usize = 256 << 10;

/// How long reading a secret from a file may take: it may be on a disk that is asleep, or on a share that is gone.
pub const SECRET_FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a secret in a file or in the store, or from a program: room for a private key with its
/// certificates.
pub const MAX_SECRET: usize = 64 << 10;

/// Characters of the name of a secret.
pub const MAX_SECRET_NAME: usize = 100;

/// Secrets that are listed.
pub const MAX_SECRETS_LISTED: usize = 10_000;

/// Bytes that a command may print which prints headers. Servers refuse requests with a quarter of that.
pub const MAX_COMMAND_OUTPUT: usize = 64 << 10;

/// Headers that it may print. Each becomes part of every request, and is remembered as a secret.
pub const MAX_COMMAND_HEADERS: usize = 16;

/// Bytes of what it says on stderr that go into the log.
pub const MAX_COMMAND_STDERR: usize = 4 << 10;

/// How long the rest of that is waited for after its end: something that it left in the background may keep
/// stderr open.
pub const COMMAND_STDERR_REST: Duration = Duration::from_millis(250);

/// How long it may take, and one that prints an assertion: a person may have to touch a key, or somebody on
/// the network has to be asked, and clients give up on `initialize` after a minute.
pub const SECRET_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// After it failed, or was run anew because the server refused what it had printed, it is not run again
/// for this long: requests get the same error, or the server's refusal.
pub const HEADER_COMMAND_PAUSE: Duration = Duration::from_secs(10);

/// Bytes of a configuration file of AWS tools. Those of large companies have some hundred kilobytes.
pub const MAX_AWS_FILE: usize = 1 << 20;

/// How long AWS credentials may take: a `credential_process` may wait for a person to touch a key, and
/// clients give up on `initialize` after a minute.
pub const AWS_CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(30);

/// One request for them, its answer included, where the crates of AWS set no shorter limit.
pub const AWS_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// AWS credentials are renewed so long before they expire: longer than a request is on its way.
pub const AWS_CREDENTIALS_MARGIN: Duration = Duration::from_secs(60);

/// After AWS credentials could not be obtained, or were obtained anew, nobody tries again for this long:
/// requests get the same error, the server's refusal, or what is left of the former ones.
pub const AWS_CREDENTIALS_PAUSE: Duration = Duration::from_secs(10);

/// By how much the clock may be off before a refusal is put down to it. AWS allows five minutes.
pub const AWS_CLOCK: Duration = Duration::from_secs(240);
