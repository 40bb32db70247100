use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

const DOMAIN: &str = "xpstore";

/// What a call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: a kind for each reason of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value is malformed.
    InvalidArgument,
    /// What is named does not exist, or was deleted.
    NotFound,
    /// A name, hash or id is taken.
    AlreadyExists,
    /// The request contradicts the present state.
    Conflict,
    /// The API key is missing, or the server does not know it.
    Unauthenticated,
    /// The API key is known and may not do this.
    PermissionDenied,
    /// A limit of the server was met: `limit` names it.
    ResourceExhausted,
    /// The server is away; it was tried for the time allowed.
    Unavailable,
    /// The call's time is over. It may have taken effect; to repeat it is safe.
    DeadlineExceeded,
    /// Bytes are missing, or do not match their digest.
    DataLoss,
    /// Another stream or writer holds the place that this one continued from.
    Stale,
    /// The server has no such method, or speaks another version of the contract.
    Unimplemented,
    /// The server failed; its log has the trace under the request id.
    ServerFault,
    /// A file of this machine, or a [`Source`](crate::Source), could not be read or written.
    Io,
    /// A reason that is newer than this client.
    Unknown,
}

/// A failure, and what is known of it.
#[derive(Clone)]
pub struct Error(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    kind: ErrorKind,
    message: String,
    reason: String,
    metadata: BTreeMap<String, String>,
    request_id: String,
    retry_after: Option<Duration>,
    is_ours: bool,
    io: Option<Arc<io::Error>>,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Name of the contract's reason, such as "NOT_FOUND"; that of gRPC's status where the server did not answer it.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What it is about, such as `field`, `value` and `expected`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Names the call in the server's log; empty when no server answered.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// After which time the server asks to repeat the call.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may do better later.
    pub(crate) fn is_passing(&self) -> bool {
        let is_full = self.metadata().get("limit").is_some_and(|limit| limit == "disk");
        match self.kind() {
            ErrorKind::Unavailable => !self.0.message.contains(UNTRUSTED),
            ErrorKind::DeadlineExceeded => true,
            ErrorKind::ServerFault if !self.0.is_ours => true,
            _ => self.0.retry_after.is_some() && !is_full,
        }
    }

    pub(crate) fn new(kind: ErrorKind, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            kind,
            message: message.into(),
            reason: reason.to_owned(),
            metadata: BTreeMap::new(),
            request_id: String::new(),
            retry_after: None,
            is_ours: true,
            io: None,
        }))
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.metadata.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn invalid(field: &str, value: &str, cure: &str) -> Self {
        let shown: String = value.chars().take(100).collect();
        let message = format!("{field} = {shown:?}: {cure}");
        Self::new(ErrorKind::InvalidArgument, "INVALID_ARGUMENT", message).with("field", field).with("value", shown)
    }

    pub(crate) fn data_loss(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DataLoss, "DATA_LOSS", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, "UNAVAILABLE", message)
    }

    pub(crate) fn io(what: &str, error: io::Error) -> Self {
        let mut made = Self::new(ErrorKind::Io, "", format!("{what}: {error}"));
        made.0.io = Some(Arc::new(error));
        made
    }

    /// The typed error of a call that failed.
    pub(crate) fn of(status: &Status, address: &str) -> Self {
        let details = status.get_error_details();
        match details.error_info().filter(|info| info.domain == DOMAIN) {
            Some(info) => {
                let mut made = Self::new(kind_of(&info.reason), &info.reason, status.message());
                made.0.metadata = info.metadata.clone().into_iter().collect();
                made.0.request_id = made.0.metadata.remove("request_id").unwrap_or_default();
                made.0.retry_after = details.retry_info().and_then(|info| info.retry_delay);
                made
            }
            None => of_others(status, address),
        }
    }
}

/// What rustls says of a certificate that waiting does not mend.
const UNTRUSTED: &str = "invalid peer certificate";

/// The error of an answer that is not the service's: gRPC's own, or that of a proxy between.
fn of_others(status: &Status, address: &str) -> Error {
    let words = words_of(status);
    let (kind, reason) = match status.code() {
        _ if words.contains("HTTP status code 413") => (ErrorKind::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        Code::InvalidArgument => (ErrorKind::InvalidArgument, "INVALID_ARGUMENT"),
        Code::OutOfRange => (ErrorKind::InvalidArgument, "OUT_OF_RANGE"),
        Code::NotFound => (ErrorKind::NotFound, "NOT_FOUND"),
        Code::AlreadyExists => (ErrorKind::AlreadyExists, "ALREADY_EXISTS"),
        Code::FailedPrecondition => (ErrorKind::Conflict, "FAILED_PRECONDITION"),
        Code::Aborted => (ErrorKind::Conflict, "ABORTED"),
        Code::Unauthenticated => (ErrorKind::Unauthenticated, "UNAUTHENTICATED"),
        Code::PermissionDenied => (ErrorKind::PermissionDenied, "PERMISSION_DENIED"),
        Code::ResourceExhausted => (ErrorKind::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        Code::Unavailable => (ErrorKind::Unavailable, "UNAVAILABLE"),
        Code::Cancelled => (ErrorKind::Unavailable, "CANCELLED"),
        Code::DeadlineExceeded => (ErrorKind::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        Code::DataLoss => (ErrorKind::DataLoss, "DATA_LOSS"),
        Code::Unimplemented => (ErrorKind::Unimplemented, "UNIMPLEMENTED"),
        Code::Internal => (ErrorKind::ServerFault, "INTERNAL"),
        // A connection that breaks is no answer: tonic calls that unknown.
        Code::Unknown if words.starts_with("transport error") => (ErrorKind::Unavailable, "UNAVAILABLE"),
        Code::Unknown | Code::Ok => (ErrorKind::ServerFault, "UNKNOWN"),
    };
    let message = match kind {
        ErrorKind::ResourceExhausted if words.contains("413") => format!(
            "A proxy before {address} takes no bodies of this size (HTTP 413): lift its limit, as by `client_max_body_size 0;` in nginx."
        ),
        ErrorKind::Unimplemented => format!("No xpstore answers at {address}: is it passed on as gRPC, with its path? ({words})"),
        ErrorKind::Unavailable if words.contains(UNTRUSTED) => {
            format!("The certificate of {address} is not trusted: is the right authority given? ({words})")
        }
        ErrorKind::Unavailable => format!("The server at {address} does not answer. Is it running? ({words})"),
        _ => words,
    };
    let mut made = Error::new(kind, reason, message);
    made.0.is_ours = false;
    made
}

/// What tonic says, and what it hides below.
fn words_of(status: &Status) -> String {
    let mut words = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}

fn kind_of(reason: &str) -> ErrorKind {
    match reason {
        "INVALID_ARGUMENT" => ErrorKind::InvalidArgument,
        "NOT_FOUND" => ErrorKind::NotFound,
        "ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "CONFLICT" => ErrorKind::Conflict,
        "UNAUTHENTICATED" => ErrorKind::Unauthenticated,
        "PERMISSION_DENIED" => ErrorKind::PermissionDenied,
        "RESOURCE_EXHAUSTED" => ErrorKind::ResourceExhausted,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" => ErrorKind::DeadlineExceeded,
        "DATA_LOSS" => ErrorKind::DataLoss,
        "INTERNAL" => ErrorKind::ServerFault,
        "STALE" => ErrorKind::Stale,
        "UNIMPLEMENTED" => ErrorKind::Unimplemented,
        _ => ErrorKind::Unknown,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.0;
        formatter
            .debug_struct("Error")
            .field("kind", &facts.kind)
            .field("message", &facts.message)
            .field("metadata", &facts.metadata)
            .field("request_id", &facts.request_id)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.io.as_deref().map(|error| error as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::ErrorReason;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails;

    fn answer(code: Code, domain: &str, reason: &str, retry: Option<Duration>) -> Status {
        let about = HashMap::from([("request_id".into(), "r1".into()), ("field".into(), "f".into())]);
        let mut details = ErrorDetails::with_error_info(reason, domain, about);
        if retry.is_some() {
            details.set_retry_info(retry);
        }
        Status::with_error_details(code, "words", details)
    }

    #[test]
    fn each_reason_has_a_kind() {
        let reasons: Vec<&str> = (1..100)
            .filter_map(|number| ErrorReason::try_from(number).ok())
            .map(|reason| reason.as_str_name().strip_prefix("ERROR_REASON_").unwrap())
            .collect();
        assert!(reasons.len() >= 13);
        for reason in reasons {
            let error = Error::of(&answer(Code::Aborted, "xpstore", reason, None), "host:1");
            assert_ne!(error.kind(), ErrorKind::Unknown, "{reason}");
            assert_eq!((error.reason(), error.request_id(), error.to_string()), (reason, "r1", "words".to_owned()));
            assert_eq!(error.metadata()["field"], "f");
        }
    }

    #[test]
    fn what_may_be_repeated() {
        let wait = Some(Duration::from_secs(2));
        let busy = Error::of(&answer(Code::ResourceExhausted, "xpstore", "RESOURCE_EXHAUSTED", wait), "");
        assert!(busy.is_passing() && busy.retry_after() == wait);
        assert!(Error::of(&answer(Code::Unavailable, "xpstore", "UNAVAILABLE", None), "").is_passing());
        assert!(Error::of(&Status::unknown("RST_STREAM"), "").is_passing());
        assert!(!Error::of(&answer(Code::Internal, "xpstore", "INTERNAL", None), "").is_passing());
        assert!(!Error::of(&answer(Code::ResourceExhausted, "xpstore", "RESOURCE_EXHAUSTED", None), "").is_passing());
        assert!(!Error::of(&Status::resource_exhausted(""), "").is_passing());
        assert!(!Error::of(&Status::unavailable("invalid peer certificate: UnknownIssuer"), "").is_passing());
    }

    #[test]
    fn those_of_others_say_who_answered() {
        let foreign = Error::of(&answer(Code::NotFound, "elsewhere", "NOT_FOUND", None), "");
        assert_eq!((foreign.kind(), foreign.request_id()), (ErrorKind::NotFound, ""));
        let proxy = Error::of(&Status::unknown("grpc-status header missing, mapped from HTTP status code 413"), "host:1");
        assert_eq!(proxy.kind(), ErrorKind::ResourceExhausted);
        assert!(proxy.to_string().contains("client_max_body_size"));
        for broken in [Status::unavailable("x"), Status::unknown("transport error: broken pipe")] {
            let away = Error::of(&broken, "host:1");
            assert!(away.kind() == ErrorKind::Unavailable && away.to_string().contains("host:1"));
        }
    }
}
