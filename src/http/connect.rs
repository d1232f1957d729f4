//! Makes connections for ureq: name, socket, TLS, all inside the request's own time.
//!
//! ureq would resolve the name for every request, pooled connection or not, and start a thread each time; here it is resolved when a connection is really made.
//! No address is kept: after a freeze it may be stale.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport, TransportAdapter,
};

use super::gather::{Gathered, Signs, less};
use super::tls;
use crate::link::{self, Hurry};
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
    /// Opens sockets.
    tcp: TcpConnector,
    /// TLS, where this client speaks it.
    tls: Option<Arc<tls::Wrapper>>,
    /// What each connection watches and tells.
    signs: Signs,
}

impl Connect {
    /// HTTP, and HTTPS where there is TLS.
    pub(super) fn new(tls: Option<Arc<tls::Wrapper>>, signs: Signs) -> Self {
        Self {
            tcp: TcpConnector::default(),
            tls,
            signs,
        }
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
                let addrs = resolve(details, self.signs.hurry.as_ref())?;
                let resolved = ConnectionDetails {
                    uri: details.uri,
                    addrs,
                    config: details.config,
                    request_level: details.request_level,
                    resolver: details.resolver,
                    now: details.now,
                    timeout: self.signs.clipped(less(details.timeout, watch)),
                    current_time: details.current_time.clone(),
                    run_connector: details.run_connector.clone(),
                    register_shutdown: details.register_shutdown.clone(),
                };
                let none: Option<()> = None;
                match self.tcp.connect(&resolved, none)? {
                    Some(transport) => Box::new(transport),
                    None => return Ok(None),
                }
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

/// The addresses of the host, resolved within the request's time.
fn resolve(
    details: &ConnectionDetails<'_>,
    hurry: Option<&Hurry>,
) -> Result<ResolvedSocketAddrs, Error> {
    let host = details.uri.host().ok_or(Error::HostNotFound)?;
    let default = if details.uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    let port = details.uri.port_u16().unwrap_or(default);
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let mut addrs = details.resolver.empty();
    if let Ok(ip) = bare.parse() {
        addrs.push(SocketAddr::new(ip, port));
        return Ok(addrs);
    }
    let name = bare.to_owned();
    let look_up = move || (name.as_str(), port).to_socket_addrs();
    let found = match details.timeout.after {
        Wait::Exact(wait) => {
            let never = Hurry::default();
            link::within("resolve", wait, hurry.unwrap_or(&never), look_up)
                .ok_or(Error::Timeout(details.timeout.reason))?
        }
        Wait::NotHappening => look_up(),
    };
    // A name that does not resolve comes as one of many unclear texts of the C library.
    let found = found.map_err(|_| Error::HostNotFound)?;
    for addr in found.take(ADDRS_MAX) {
        addrs.push(addr);
    }
    if addrs.is_empty() {
        return Err(Error::HostNotFound);
    }
    Ok(addrs)
}

/// The most addresses of a host that are tried; ureq has room for 16.
const ADDRS_MAX: usize = 8;
