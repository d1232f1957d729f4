//! Makes connections for ureq: name, socket, TLS, all inside the request's own time.
//!
//! ureq would resolve the name for every request, pooled connection or not, and start a thread each time; here it is resolved when a connection is really made.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::gather::{Gathered, Signs, less};
use super::socket::Socket;
use super::tls;
use crate::time::Stopwatch;

/// ureq's resolver, which leaves the work to [`Connect`].
#[derive(Debug)]
pub(super) struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        // ureq wants at least one address; Connect does not look at it.
        let mut placeholder = self.empty();
        placeholder.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(placeholder)
    }
}

/// The last link of the connector chain.
pub(super) struct Connect {
    /// TLS, where this client speaks it.
    tls: Option<Arc<tls::Wrapper>>,
    /// What each connection watches and tells.
    signs: Signs,
}

impl Connect {
    /// HTTP, and HTTPS where there is TLS.
    pub(super) fn new(tls: Option<Arc<tls::Wrapper>>, signs: Signs) -> Self {
        Self { tls, signs }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").finish_non_exhaustive()
    }
}

impl<In: Transport> Connector<In> for Connect {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Box<dyn Transport>>, Error> {
        let watch = Stopwatch::start();
        let transport: Box<dyn Transport> = match chained {
            // A proxy's connector has made the connection already.
            Some(transport) => Box::new(transport),
            None => {
                let (host, port) = host_and_port(details)?;
                let timeout = self.signs.clipped(details.timeout);
                let buffers = LazyBuffers::new(
                    details.config.input_buffer_size(),
                    details.config.output_buffer_size(),
                );
                let hurry = self.signs.hurry.as_ref();
                Box::new(Socket::connect(host, port, timeout, hurry, buffers)?)
            }
        };
        let socket = TransportAdapter::new(transport, details.current_time.clone());
        match &self.tls {
            Some(tls) if details.needs_tls() => {
                let secured = tls.wrap(
                    details,
                    self.signs.clipped(less(details.timeout, watch)),
                    socket,
                )?;
                Ok(Some(Box::new(Gathered::new(secured, details, &self.signs))))
            }
            Some(_) | None => Ok(Some(Box::new(Gathered::new(socket, details, &self.signs)))),
        }
    }
}

/// The host as the URL has it, without the brackets of an IPv6 address, and the port.
fn host_and_port<'a>(details: &ConnectionDetails<'a>) -> Result<(&'a str, u16), Error> {
    let host = details.uri.host().ok_or(Error::HostNotFound)?;
    let default = if details.uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    Ok((bare, details.uri.port_u16().unwrap_or(default)))
}
