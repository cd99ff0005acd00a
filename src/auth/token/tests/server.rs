//! A server that gives the same answer to everything and keeps what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::{Url, form_urlencoded};

use crate::auth::web::Web;
use crate::http::client::Settings;
use crate::secret::Redactor;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and fields.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Request {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The parameters of a form, sorted.
    pub fn form(&self) -> Vec<(String, String)> {
        let mut form: Vec<_> = form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        form.sort();
        form
    }
}

pub struct Server {
    pub url: Url,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `head` is the status line and fields of every answer.
    pub async fn start(head: &str, body: &str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answer = format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let server = Server { url, log: log.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &answer, &log).await;
            }
        });
        server
    }

    /// A URL on it.
    pub fn at(&self, path: &str) -> String {
        self.url.join(path).unwrap().to_string()
    }

    /// The only request so far.
    pub fn only(&self) -> Request {
        let log = self.log.lock().unwrap();
        assert_eq!(log.len(), 1, "{log:?}");
        log[0].clone()
    }
}

async fn serve(mut stream: TcpStream, answer: &str, log: &Mutex<Vec<Request>>) {
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let Ok(n @ 1..) = stream.read(&mut piece).await else { return };
        text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Request { head: head.into(), body: body.into() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            log.lock().unwrap().push(request);
            break;
        }
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// The door, for an MCP server on loopback.
pub fn web() -> Web {
    let settings = Settings {
        connect_timeout: Duration::from_secs(60),
        ca_certs: Vec::new(),
        ambient_ca_certs: Vec::new(),
        client_cert: None,
        withholds_cert: false,
        ipv4: false,
        cookies: false,
        public_only: false,
        observer: None,
        signs_in: false,
        #[cfg(feature = "simulation")]
        network: None,
    };
    let server = Url::parse("http://127.0.0.1:9/mcp").unwrap();
    Web::new(&settings, server, false, Arc::new(Redactor::default()))
}
