//! The ways a destination can be absent: a port that refuses, one that never accepts, one that neither reads nor speaks.
//!
//! Must not answer anybody.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A port of the loopback that refuses connections for as long as this lives.
#[derive(Debug)]
pub(crate) struct Refusing {
    _bound: OwnedFd,
    address: SocketAddr,
}

impl Refusing {
    /// Binds a port and does not listen.
    pub(crate) fn new() -> Self {
        let (bound, address) = bind();
        Self {
            _bound: bound,
            address,
        }
    }

    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A port of the loopback to which connecting hangs: its queue is full and nobody accepts.
#[derive(Debug)]
pub(crate) struct Unaccepting {
    _bound: OwnedFd,
    _queued: Vec<TcpStream>,
    address: SocketAddr,
}

impl Unaccepting {
    /// Binds a port, fills its queue.
    pub(crate) fn new() -> Self {
        let (bound, address) = bind();
        rustix::net::listen(&bound, 0).expect("a bound socket listens");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
            queued.push(stream);
        }
        Self {
            _bound: bound,
            _queued: queued,
            address,
        }
    }

    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A port of the loopback to which one can connect, and that is all: nobody reads, and little fits before that is felt.
#[derive(Debug)]
pub(crate) struct Mute {
    _bound: OwnedFd,
    address: SocketAddr,
}

impl Mute {
    /// Binds a port, and has the system take connections.
    pub(crate) fn new() -> Self {
        let (bound, address) = bind();
        rustix::net::sockopt::set_socket_recv_buffer_size(&bound, 4096)
            .expect("a socket's buffer can be made smaller");
        rustix::net::listen(&bound, 64).expect("a bound socket listens");
        Self {
            _bound: bound,
            address,
        }
    }

    /// The URL of a path on it, `http` or `https`.
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }
}

fn bind() -> (OwnedFd, SocketAddr) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("a socket can be made");
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("the loopback has a free port");
    let address = getsockname(&socket).expect("a bound socket has an address");
    (
        socket,
        SocketAddr::try_from(address).expect("it is an internet address"),
    )
}
