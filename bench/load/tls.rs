//! TLS of the sink, of rogues, and of the limit: a certificate of their own making, which the limit is told to trust.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// For all these addresses.
pub(crate) fn certificate(addresses: Vec<String>) -> Result<CertifiedKey<KeyPair>> {
    Ok(rcgen::generate_simple_self_signed(addresses)?)
}

/// The side of a sink or a rogue. Sessions can be resumed.
pub(crate) fn acceptor(certified: &CertifiedKey<KeyPair>) -> Result<TlsAcceptor> {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The limit's side, which trusts this certificate and no other.
pub(crate) fn connector(certificate: Vec<u8>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate))?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
