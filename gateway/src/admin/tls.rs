//! TLS for the operators' listener, with certificates of clients where they are asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error as RustlsError, RootCertStore, ServerConfig};

use crate::config::TlsSettings;

/// Why TLS can't be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or holds no PEM of its kind.
    #[error("{path}: {source}")]
    Pem {
        /// The file.
        path: String,
        /// Why not.
        source: PemError,
    },
    /// A file holds no certificate.
    #[error("{0} holds no certificate")]
    Empty(String),
    /// Certificate and key are not a pair, or can't be used.
    #[error("certificate and key: {0}")]
    Pair(#[from] RustlsError),
    /// The authority of clients can't be used.
    #[error("the authority of clients: {0}")]
    Authority(#[from] VerifierBuilderError),
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// What accepts connections by these settings. The files are read now, and not again.
///
/// # Errors
/// [`TlsError`] says which file can't be used.
pub(crate) fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(pem(&settings.key))?;
    let chain = certificates(&settings.certificate)?;
    let config = match &settings.client_authority {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(path).map_err(pem(path))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(pem(path))?;
    match all.is_empty() {
        true => Err(TlsError::Empty(path.display().to_string())),
        false => Ok(all),
    }
}

fn pem(path: &Path) -> impl FnOnce(PemError) -> TlsError {
    let path = path.display().to_string();
    move |source| TlsError::Pem { path, source }
}
