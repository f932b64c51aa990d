//! Encrypted connections by rustls.

use std::sync::Arc;

use repo_core::Result;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{SqlSettings, SslMode};
use crate::errors;

/// What makes connections encrypted; `None` when they are not to be.
///
/// # Errors
/// `ConfigInvalid` for root certificates that cannot be read.
pub(super) fn connector(settings: &SqlSettings) -> Result<Option<MakeRustlsConnect>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| errors::tls("", source))?;
    let config = match settings.sslmode {
        SslMode::Disable => return Ok(None),
        SslMode::Prefer | SslMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        SslMode::VerifyFull => {
            builder.with_root_certificates(roots(&settings.sslrootcert)?).with_no_client_auth()
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// The certificates of the file, or those that the system trusts.
fn roots(file: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if file.is_empty() {
        // What cannot be read is left out; without any, no server is trusted.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        return Ok(roots);
    }
    let failed = |source: &dyn std::fmt::Display| errors::tls(file, source);
    let certificates = CertificateDer::pem_file_iter(file).map_err(|source| failed(&source))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|source| failed(&source))?;
        roots.add(certificate).map_err(|source| failed(&source))?;
    }
    if roots.is_empty() {
        return Err(errors::tls(file, "the file holds no certificate"));
    }
    Ok(roots)
}

/// `prefer` and `require` encrypt and do not ask who the server is, as in
/// libpq.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
