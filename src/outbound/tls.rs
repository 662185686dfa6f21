//! TLS as both clients speak it: the platform's trust store, aws-lc-rs, and no exceptions but the hosts that the
//! operator names (X13).
//!
//! The provider is passed by hand: a process-wide default would be a global that the order of start-up decides.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

/// `extra_roots` are trusted besides the platform's own; the certificates of `self_signed_hosts` are not looked at.
pub(super) fn client_config(
    extra_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    self_signed_hosts: &[String],
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra_roots, Arc::clone(&provider))?;
    let verifier: Arc<dyn ServerCertVerifier> = if self_signed_hosts.is_empty() {
        Arc::new(verifier)
    } else {
        Arc::new(WithExceptions { verifier, hosts: self_signed_hosts.into() })
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// Takes any certificate from some hosts. The handshake is still encrypted, and signed with the key of whatever
/// certificate was shown; who showed it is anybody's guess.
#[derive(Debug)]
struct WithExceptions {
    verifier: Verifier,
    /// In lower case.
    hosts: Box<[String]>,
}

impl ServerCertVerifier for WithExceptions {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = server_name.to_str();
        if self.hosts.iter().any(|host| host.eq_ignore_ascii_case(&name)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
