//! TLS for ureq, by rustls with ring: the bundled roots and the owner's own in one store.
//!
//! Our own few lines instead of ureq's, because ureq trusts either the bundled roots or given ones, and forgets sessions when a request has a timeout of its own.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, NextTimeout, TransportAdapter};

use super::gather::Stream;
use super::provider;

/// Certificates to trust beside the bundled roots.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// Reads certificates from PEM text.
///
/// # Errors
/// What is wrong with it, in words: something in it cannot be used, or there is no certificate in it.
pub(super) fn extra_roots(pem: &[u8]) -> Result<Roots, String> {
    let mut roots = Vec::new();
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem) {
        let cert = cert.map_err(|why| format!("it is not PEM text: {why}"))?;
        store
            .add(cert.clone())
            .map_err(|why| format!("a certificate in it cannot be used: {why}"))?;
        roots.push(cert);
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
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
        mut sock: TransportAdapter,
    ) -> Result<StreamOwned<ClientConnection, TransportAdapter>, Error> {
        let config = self
            .config
            .get_or_init(|| Arc::new(client_config(&self.roots)));
        let host = details.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Error::Tls("the host is no name that a certificate can hold"))?;
        let mut conn = ClientConnection::new(Arc::clone(config), name).map_err(tls_error)?;
        sock.set_timeout(timeout);
        while conn.is_handshaking() {
            conn.complete_io(&mut sock)?;
        }
        Ok(StreamOwned { conn, sock })
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

impl Stream for StreamOwned<ClientConnection, TransportAdapter> {
    const TLS: bool = true;

    fn socket(&mut self) -> &mut TransportAdapter {
        &mut self.sock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_is_none_is_named() {
        for (bad, told) in [
            (&b""[..], "it holds no certificate"),
            (b"no pem at all", "it holds no certificate"),
            (
                b"-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n",
                "a certificate in it cannot be used",
            ),
        ] {
            let why = extra_roots(bad).expect_err("refused");
            assert!(why.starts_with(told), "{why}");
        }
    }
}
