//! Commands, and the configurations of clients.

use std::time::Duration;

/// How long a whole check of a server may take, unless somebody says otherwise. Long enough for a
/// server that starts when it is asked.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// What the end of a check may take beyond its limit: the session is ended in that time.
pub const CHECK_GRACE: Duration = Duration::from_millis(400);

/// How long a check waits for the answer to the standalone GET. Servers that hold it back until there
/// is an event are not wrong.
pub const CHECK_STREAM: Duration = Duration::from_secs(2);

/// Pages of one list that a command fetches. A server that gives more is going in circles.
pub const MAX_PAGES: usize = 1000;

/// How long a request of a command may take without `--timeout`: longer than most tools, shorter than
/// patience.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// Lines of the interactive session's history: what shells keep.
pub const MAX_HISTORY_LINES: usize = 1000;

/// Bytes of one of them; longer ones are data, which nobody looks for there.
pub const MAX_HISTORY_LINE: usize = 4 << 10;

/// Bytes of all of them: the file is read and written whole for every line.
pub const MAX_HISTORY_BYTES: usize = 256 << 10;

/// Names of one kind that are kept for completion: more than anybody looks through.
pub const MAX_COMPLETIONS: usize = 10_000;

/// How long Tab waits for a server that completes values; the line cannot be edited meanwhile.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a line of a script: room for one large argument.
pub const MAX_SCRIPT_LINE: usize = 1 << 20;

/// Notifications that wait to be shown above a line that is being edited. More are counted.
pub const NOTICE_QUEUE: usize = 64;

/// Characters of one of them.
pub const MAX_NOTICE: usize = 2000;

/// Bytes of a file with answers to a server's questions: room for a few pictures.
pub const MAX_ANSWERS: usize = 8 << 20;

/// Bytes of a picture that is shown on the terminal: a slow one would be busy with more for long.
pub const MAX_INLINE_IMAGE: usize = 4 << 20;

/// Bytes of a client's configuration file that are read. Some clients keep whole histories in theirs.
pub const MAX_CLIENT_CONFIG: usize = 32 << 20;

/// How deeply such a file in YAML is nested. Clients' own have half a dozen levels.
pub const MAX_CONFIG_DEPTH: usize = 64;

/// Servers that are read from one such file. People have dozens.
pub const MAX_CLIENT_SERVERS: usize = 1000;

/// Former states of such a file that are kept beside it: enough to find the one before a mistake, too few
/// to be in the way.
pub const MAX_CONFIG_BACKUPS: usize = 5;

/// Lines in which two states of such a file differ, up to which the shortest difference is looked for; it takes
/// memory by the square of that. An entry has ten, and a whole file of entries a few hundred.
pub const MAX_LINES_APART: usize = 1000;

/// How long another process may be changing configurations. It does so in milliseconds, and asks people only
/// before.
pub const CONFIG_LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Launchers around a program that are looked through: a shell that runs npx, for example. Few are ever
/// nested, and a line that expands itself must end.
pub const MAX_LAUNCHERS: usize = 8;

/// Servers of a configuration file that are checked side by side: enough that most files take as long as
/// their slowest server, few enough that times are still those of the servers.
pub const CHECKS_AT_ONCE: usize = 8;

/// Bytes that the answer to a question may have which is answered with yes or no.
pub const MAX_LINE_ANSWER: u64 = 100;

/// How far the clocks may differ before `doctor` says so, and before tokens are refused because of it:
/// common servers allow some minutes.
pub const CLOCK_NOTED: Duration = Duration::from_secs(30);
/// See [`CLOCK_NOTED`].
pub const CLOCK_WRONG: Duration = Duration::from_secs(300);

/// How long the answer may take that `doctor` compares clocks with (`--timeout`).
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of two programs that are compared. Ours has some ten megabytes.
pub const MAX_COMPARED: usize = 256 << 20;
