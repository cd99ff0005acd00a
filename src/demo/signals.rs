//! The signals that end the server.

/// Completes when the process is asked to end: by Ctrl-C, on Unix also by SIGTERM. If the system
/// cannot tell, the signals keep their usual effect, which is to end the process.
pub async fn terminated() {
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
