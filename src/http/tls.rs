//! TLS for ureq, by rustls with ring: the bundled roots and the owner's own in one store.
//!
//! Our own few lines instead of ureq's, because ureq trusts either the bundled roots or given ones, and forgets sessions when a request has a timeout of its own.

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::provider;
use crate::error;

/// Certificates to trust beside the bundled roots.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// Reads certificates from PEM text.
///
/// # Errors
/// If the text holds something that is not a certificate, or is not empty and holds none.
pub(super) fn extra_roots(pem: &[u8]) -> Result<Roots, error::Error> {
    let refuse = |why: String| error::Error::Resource {
        what: "the CA file".into(),
        why,
    };
    let mut roots = Vec::new();
    for cert in CertificateDer::pem_slice_iter(pem) {
        roots.push(cert.map_err(|why| refuse(format!("not PEM text: {why}")))?);
    }
    if roots.is_empty() && !pem.is_empty() {
        return Err(refuse("it holds no certificate".into()));
    }
    let mut store = RootCertStore::empty();
    for cert in &roots {
        store
            .add(cert.clone())
            .map_err(|why| refuse(format!("a certificate in it cannot be used: {why}")))?;
    }
    Ok(roots)
}

/// Puts TLS around a connection.
pub(super) struct Wrapper {
    /// Trusted beside the bundled roots.
    roots: Roots,
    /// Made at the first use; keeps sessions, so that a later handshake is shorter.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Wrapper {
    /// Makes nothing yet.
    pub(super) fn new(roots: Roots) -> Self {
        Self {
            roots,
            config: OnceLock::new(),
        }
    }

    /// Shakes hands over a connection.
    pub(super) fn wrap(
        &self,
        details: &ConnectionDetails<'_>,
        timeout: NextTimeout,
        transport: Box<dyn Transport>,
    ) -> Result<TlsTransport, Error> {
        let config = self
            .config
            .get_or_init(|| Arc::new(client_config(&self.roots)));
        let host = details.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Error::Tls("the host is no name that a certificate can hold"))?;
        let mut conn = ClientConnection::new(Arc::clone(config), name).map_err(tls_error)?;
        let mut sock = TransportAdapter::new(transport, details.current_time.clone());
        sock.set_timeout(timeout);
        while conn.is_handshaking() {
            conn.complete_io(&mut sock)?;
        }
        Ok(TlsTransport {
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            stream: StreamOwned { conn, sock },
        })
    }
}

/// rustls' configuration: TLS 1.2 and 1.3, no client certificate.
fn client_config(extra: &Roots) -> ClientConfig {
    let mut store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    store.add_parsable_certificates(extra.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(provider::provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider serves both versions")
        .with_root_certificates(store)
        .with_no_client_auth()
}

/// A TLS error in ureq's type.
fn tls_error(why: rustls::Error) -> Error {
    Error::Other(Box::new(why))
}

/// A connection with TLS around it.
pub(super) struct TlsTransport {
    /// ureq's buffers, outside of TLS.
    buffers: LazyBuffers,
    /// The connection.
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_is_none_is_named() {
        assert!(extra_roots(b"").expect("nothing to read").is_empty());
        for bad in [
            &b"no pem at all"[..],
            b"-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n",
        ] {
            let told = extra_roots(bad).expect_err("refused").to_string();
            assert!(told.starts_with("the CA file: "), "{told}");
        }
    }
}
