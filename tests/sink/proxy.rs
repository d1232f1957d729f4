//! A forward proxy that records what it is asked for: `CONNECT`, and whole URLs.

use crate::wire;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One thing the proxy was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `CONNECT`, or the method of a forwarded request.
    pub(crate) method: String,
    /// `host:port`, or the whole URL.
    pub(crate) target: String,
    /// `Proxy-Authorization`, if it came.
    pub(crate) authorization: Option<String>,
}

/// A proxy on the loopback.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Proxy {
    /// Starts one; its threads end with the test program.
    pub(crate) fn start() -> Self {
        Self::mute_to("")
    }

    /// Starts one that never answers a `CONNECT` to this `host:port`.
    pub(crate) fn mute_to(target: &str) -> Self {
        let mute_to: Arc<str> = target.into();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (record, mute_to) = (Arc::clone(&record), Arc::clone(&mute_to));
                spawn(move || {
                    let _peer_went_away = serve(stream, &record, &mute_to);
                });
            }
        });
        Self { port, asked }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything it was asked for.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .expect("no thread panics with the proxy's lock")
            .clone()
    }
}

fn spawn(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name("proxy".to_owned())
        .spawn(body)
        .expect("a thread starts");
}

fn serve(stream: TcpStream, record: &Mutex<Vec<Asked>>, mute_to: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = wire::read_request_head(&mut reader)? {
        record
            .lock()
            .expect("no thread panics with the proxy's lock")
            .push(Asked {
                method: head.method.clone(),
                target: head.target.clone(),
                authorization: wire::header(&head.headers, "proxy-authorization")
                    .map(str::to_owned),
            });
        if head.method == "CONNECT" && head.target == mute_to {
            // Until the other side gives up.
            return reader.read_to_end(&mut Vec::new()).map(drop);
        }
        if head.method == "CONNECT" {
            let upstream = TcpStream::connect(&head.target)?;
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            return tunnel(reader, upstream);
        }
        let body = wire::read_body(&mut reader, wire::request_framing(&head.headers)?)?;
        let rest = head
            .target
            .strip_prefix("http://")
            .ok_or(io::ErrorKind::InvalidInput)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut upstream = BufReader::new(TcpStream::connect(authority)?);
        let first = format!(
            "{} {} HTTP/1.1",
            head.method,
            if path.is_empty() { "/" } else { path }
        );
        wire::write_message(upstream.get_mut(), &first, &head.headers, &body)?;
        let answer = wire::read_answer(&mut upstream)?;
        let first = format!("HTTP/1.1 {} {}", answer.status, wire::reason(answer.status));
        wire::write_message(reader.get_mut(), &first, &answer.headers, &answer.body)?;
    }
    Ok(())
}

/// Copies both ways until both sides have closed.
fn tunnel(client: BufReader<TcpStream>, upstream: TcpStream) -> io::Result<()> {
    let early = client.buffer().to_vec();
    let mut client = client.into_inner();
    let (mut back_from, mut back_to) = (upstream.try_clone()?, client.try_clone()?);
    spawn(move || {
        let _peer_went_away = copy(&mut back_from, &mut back_to);
    });
    let mut upstream = upstream;
    upstream.write_all(&early)?;
    copy(&mut client, &mut upstream)
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16_384];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&buffer[..read])?;
    }
}
