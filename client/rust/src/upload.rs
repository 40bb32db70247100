use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{timeout, Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::digest::digest_of;
use crate::error::{Error, ErrorKind, Result};
use crate::message_size::{MessageSize, MOST_BYTES};
use crate::model::Model;
use crate::source::Source;
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::upload_file_request::Part;
use crate::v1::{
    ArtifactDraft, ArtifactLink, ArtifactVersion, GetUploadRequest, GetUploadResponse, UploadFileHeader, UploadFileRequest,
};
use crate::version::Version;

/// After so long without data a sign of life is sent: proxies end a stream after a minute of silence.
const LIFE: Duration = Duration::from_secs(15);
/// How long the line may take nothing at all; keepalive notices a dead one.
const STALL: Duration = Duration::from_secs(300);
/// How long the answer may take beside reading the file once more: what is in buffers goes over a thin line first.
const ANSWER: Duration = Duration::from_secs(300);
const READ_BYTES_PER_MS: u64 = 100_000;

/// One file on its way to become a version of an artifact.
///
/// It goes on where it was when its connection breaks or the server restarts, and gives up after the time-out of calls without
/// progress. The file is read twice: its BLAKE3 goes ahead, so that the server publishes no other bytes.
#[must_use]
pub struct Upload {
    connection: Connection,
    header: UploadFileHeader,
    draft: ArtifactDraft,
    is_resumed: bool,
}

impl Upload {
    pub(crate) fn new(connection: Connection, project_uid: &str, name: &str) -> Self {
        let header = UploadFileHeader {
            upload_id: Uuid::new_v4().to_string(),
            project_uid: project_uid.to_owned(),
            ..Default::default()
        };
        let draft = ArtifactDraft { name: name.to_owned(), r#type: "artifact".into(), ..Default::default() };
        Self { connection, header, draft, is_resumed: false }
    }

    /// Kind of thing: lower-case letters, digits and "_"; default "artifact".
    pub fn kind(mut self, kind: &str) -> Self {
        self.draft.r#type = kind.to_owned();
        self
    }

    /// Path of the file inside the artifact; default the name of the file, or "data".
    pub fn path(mut self, path: &str) -> Self {
        self.header.path = path.to_owned();
        self
    }

    /// Free text.
    pub fn description(mut self, text: &str) -> Self {
        self.draft.description = Some(text.to_owned());
        self
    }

    /// A JSON object as text.
    pub fn metadata_json(mut self, json: &str) -> Self {
        self.draft.metadata_json = json.to_owned();
        self
    }

    /// One more alias to point to the version.
    pub fn alias(mut self, alias: &str) -> Self {
        self.draft.aliases.push(alias.to_owned());
        self
    }

    /// Says that it belongs to a model.
    pub fn link(mut self, model: &Model) -> Self {
        self.draft.links.push(ArtifactLink { model_id: model.id().to_owned(), ..Default::default() });
        self
    }

    /// Says that it was made from another version.
    pub fn used(mut self, version: &Version) -> Self {
        self.draft.used_version_ids.push(version.id().to_owned());
        self
    }

    /// Makes a new version even if the newest has this content.
    pub fn force(mut self) -> Self {
        self.draft.force = true;
        self
    }

    /// Goes on with an upload that another process began with the same options and bytes; default a new one.
    pub fn id(mut self, upload_id: Uuid) -> Self {
        self.header.upload_id = upload_id.to_string();
        self.is_resumed = true;
        self
    }

    /// The BLAKE3 that the bytes have, where it is known: they are then read once.
    pub fn blake3(mut self, digest: [u8; 32]) -> Self {
        self.header.blake3 = Bytes::copy_from_slice(&digest);
        self
    }

    /// Uploads a file.
    pub async fn send_file(mut self, path: impl AsRef<Path>) -> Result<Version> {
        let path = path.as_ref();
        if self.header.path.is_empty() {
            self.header.path = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        self.send(Source::file(path)).await
    }

    /// Uploads bytes.
    pub async fn send_bytes(self, bytes: impl Into<Bytes>) -> Result<Version> {
        self.send(Source::bytes(bytes)).await
    }

    /// Uploads what a source has.
    pub async fn send(mut self, source: Source) -> Result<Version> {
        if self.header.path.is_empty() {
            self.header.path = "data".into();
        }
        if self.header.blake3.is_empty() {
            let (digest, size) = digest_of(&source).await.map_err(unreadable)?;
            self.header.blake3 = digest;
            self.header.size_bytes = Some(size as i64);
        }
        self.header.draft = Some(self.draft.clone());
        let mut attempts = self.connection.attempts();
        if self.is_resumed {
            self.go_on().await?; // one that is finished is answered to the header, if that is the same
        }
        loop {
            let before = self.header.offset;
            match self.stream(&source).await {
                Ok(version) => return Ok(self.made(version)),
                // Another stream was ahead, or the server lost what was not durable.
                Err(error) if error.kind() == ErrorKind::Stale => attempts.again(error).await?,
                Err(error) => attempts.next(error).await?,
            }
            let upload = self.go_on().await?;
            if let Some(version) = upload.version {
                return Ok(self.made(version));
            }
            if upload.offset > before {
                attempts.renew();
            }
        }
    }

    /// Asks how far the server got, and goes on from there.
    async fn go_on(&mut self) -> Result<GetUploadResponse> {
        let request = GetUploadRequest { upload_id: self.header.upload_id.clone() };
        let upload = match call!(self.connection, ArtifactServiceClient.get_upload, request) {
            Err(error) if error.kind() == ErrorKind::NotFound => GetUploadResponse::default(), // the header did not arrive
            other => other?,
        };
        self.header.offset = upload.offset;
        Ok(upload)
    }

    fn made(&self, version: ArtifactVersion) -> Version {
        let is_created = version.id == self.header.upload_id;
        let mut made = Version::new(self.connection.clone(), version);
        made.is_created = is_created;
        made
    }

    /// One stream: from the offset to the end, or until something breaks. The answer may come early.
    async fn stream(&self, source: &Source) -> Result<ArtifactVersion> {
        let (messages, received) = mpsc::channel(1);
        let mut client = ArtifactServiceClient::new(self.connection.service());
        let answer = client.upload_file(ReceiverStream::new(received));
        tokio::pin!(answer);
        let result = tokio::select! {
            biased;
            result = &mut answer => result,
            sent = self.feed(source, messages) => {
                let patience = ANSWER + Duration::from_millis(sent? / READ_BYTES_PER_MS);
                timeout(patience, &mut answer).await.unwrap_or_else(|_| Err(Status::unavailable("no answer to the whole file")))
            }
        };
        let response = result.map_err(|status| self.connection.error(&status))?.into_inner();
        response.version.ok_or_else(|| Error::data_loss("The server answers an upload without a version."))
    }

    /// Sends everything, and returns how many bytes the file has.
    async fn feed(&self, source: &Source, messages: mpsc::Sender<UploadFileRequest>) -> Result<u64> {
        let mut offset = self.header.offset as u64;
        let mut reader = source.open(offset).await.map_err(unreadable)?;
        let mut size = MessageSize::new();
        let mut buffer = BytesMut::new();
        if !push(&messages, Some(Part::Header(self.header.clone())), false).await? {
            return Ok(offset);
        }
        loop {
            buffer.reserve(MOST_BYTES);
            let read = loop {
                match timeout(LIFE, reader.read_buf(&mut buffer)).await {
                    Ok(read) => break read.map_err(unreadable)?,
                    Err(_) => push(&messages, None, false).await?,
                };
            };
            if read == 0 {
                push(&messages, None, true).await?;
                return Ok(offset);
            }
            offset += read as u64;
            let mut block = buffer.split().freeze();
            while !block.is_empty() {
                let piece = block.split_to(size.bytes.min(block.len()));
                let (length, began) = (piece.len(), Instant::now());
                if !push(&messages, Some(Part::Data(piece)), false).await? {
                    return Ok(offset);
                }
                size.sent(length, began.elapsed());
            }
        }
    }
}

/// Sends a message, and waits until the line took the one before. False if the answer is there, or the stream broke.
async fn push(messages: &mpsc::Sender<UploadFileRequest>, part: Option<Part>, finish: bool) -> Result<bool> {
    match timeout(STALL, messages.send(UploadFileRequest { part, finish })).await {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(Error::unavailable("nothing moves on the line")),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io("the source of an upload cannot be read", error)
}
