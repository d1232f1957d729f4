//! TLS for the sinks: certificates of a test authority, kept under `tests/data/tls`.
//!
//! The keys there protect nothing and must never be trusted by anything but these tests.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;

/// A file of the test authority.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tls")
        .join(name)
}

/// A server with the certificate for the loopback and `sandbox.localdomain`.
pub(crate) fn server() -> Arc<rustls::ServerConfig> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file("server.pem"))
        .expect("the certificate is there")
        .collect::<Result<_, _>>()
        .expect("the certificate is PEM");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("the key is PEM");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("ring has the default versions")
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .expect("the key belongs to the certificate");
    Arc::new(config)
}
