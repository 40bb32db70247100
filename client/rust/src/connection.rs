use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{timeout, Instant};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::attempts::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::v1::limits_service_client::LimitsServiceClient;
use crate::v1::{GetLimitsRequest, Limits};

/// First number of the contract that this client is made for: one with another is another.
const CONTRACT: &str = "1";
/// How long limits are relied on: whoever reconnects may have been answered by another server, and is not told.
const LIMITS_KEPT: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A ping waits behind bytes on a thin line: 4 MiB in buffers at 64 KiB/s take a minute.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a server may send before it is read: a line of 20 ms then carries 200 MB/s.
const WINDOW_BYTES: u32 = 4 << 20;

/// What generated clients are made on: the channel, with the key.
pub type Service = InterceptedService<Channel, Key>;

/// Adds the key to each call.
#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Makes a call that one message answers: `call!(connection, RunServiceClient.get_run, request)`.
macro_rules! call {
    ($connection:expr, $client:ident.$method:ident, $request:expr) => {
        $connection
            .call($request, |service, request| async move { $client::new(service).$method(request).await })
            .await
    };
}
pub(crate) use call;

/// Calls to one server with one key, repeated while it is away: every call of the contract may be.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    address: String,
    service: Service,
    timeout: Duration,
    limits: Mutex<Option<(Limits, Instant)>>,
}

impl Connection {
    /// Opens a channel; the connection is made with the first call.
    pub fn new(address: &str, api_key: &str, authority: Option<&Path>, timeout: Duration) -> Result<Self> {
        let parsed = Address::parse(address)?;
        let mut key: MetadataValue<Ascii> = format!("Bearer {api_key}")
            .parse()
            .map_err(|_| Error::invalid("api_key", "", "a key is printable ASCII"))?;
        key.set_sensitive(true);
        let mut endpoint = Endpoint::from_shared(parsed.uri)
            .map_err(|error| Error::invalid("address", address, &error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(2 * WINDOW_BYTES);
        if parsed.is_tls {
            endpoint = endpoint.tls_config(tls(authority)?).map_err(|error| Error::invalid("address", address, &error.to_string()))?;
        }
        let service = InterceptedService::new(endpoint.connect_lazy(), Key(key));
        let shared = Shared { address: address.to_owned(), service, timeout, limits: Mutex::new(None) };
        Ok(Self(Arc::new(shared)))
    }

    pub fn service(&self) -> Service {
        self.0.service.clone()
    }

    /// The typed error of a call that failed.
    pub fn error(&self, status: &Status) -> Error {
        let error = Error::of(status, &self.0.address);
        if error.kind() == ErrorKind::Unavailable {
            *self.0.limits.lock().expect("no holder panics") = None; // another server may come back
        }
        error
    }

    /// Attempts at something that needs the server.
    pub fn attempts(&self) -> Attempts {
        Attempts::new(self.0.timeout)
    }

    /// Makes a call that one message answers.
    pub async fn call<R, T, F, A>(&self, request: R, method: F) -> Result<T>
    where
        R: Clone,
        F: Fn(Service, Request<R>) -> A,
        A: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        let mut attempts = self.attempts();
        loop {
            let remaining = attempts.remaining();
            let mut message = Request::new(request.clone());
            message.set_timeout(remaining);
            let answer = timeout(remaining, method(self.service(), message)).await;
            let status = match answer {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded(format!("no answer in {remaining:?}")),
            };
            attempts.next(self.error(&status)).await?;
        }
    }

    /// The server's limits; Unimplemented where it speaks another contract.
    pub async fn limits(&self) -> Result<Limits> {
        if let Some((limits, since)) = &*self.0.limits.lock().expect("no holder panics") {
            if since.elapsed() < LIMITS_KEPT {
                return Ok(limits.clone());
            }
        }
        let limits = call!(self, LimitsServiceClient.get_limits, GetLimitsRequest {})?.limits.unwrap_or_default();
        check(&limits.contract_version)?;
        *self.0.limits.lock().expect("no holder panics") = Some((limits.clone(), Instant::now()));
        Ok(limits)
    }
}

fn tls(authority: Option<&Path>) -> Result<ClientTlsConfig> {
    let Some(path) = authority else {
        return Ok(ClientTlsConfig::new().with_native_roots());
    };
    let pem = fs::read(path).map_err(|error| Error::invalid("authority", &path.to_string_lossy(), &error.to_string()))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

fn check(version: &str) -> Result<()> {
    if version.split('.').next() == Some(CONTRACT) {
        return Ok(());
    }
    let message = format!(
        "The server speaks version {version:?} of the contract, and this client version {CONTRACT}: take a release of the client \
         that is made for that server."
    );
    Err(Error::new(ErrorKind::Unimplemented, "UNIMPLEMENTED", message).with("contract_version", version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_contract_is_refused() {
        assert!(check("1.0").is_ok() && check("1.7-rc").is_ok());
        for version in ["2.0", "10.0", ""] {
            assert_eq!(check(version).unwrap_err().kind(), ErrorKind::Unimplemented);
        }
    }
}
