use bytes::Bytes;
use tonic::Streaming;

use crate::attempts::Attempts;
use crate::connection::Connection;
use crate::digest::to_bytes;
use crate::error::{Error, Result};
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::read_file_request::Source;
use crate::v1::read_file_response::Part;
use crate::v1::{ReadFileHeader, ReadFileRequest, ReadFileResponse};

/// A file of a version, block by block. Reading goes on after a break.
///
/// A whole file is verified at its end: until [`next`](Self::next) has returned None do not rely on its bytes. A range has no
/// digest of its own and is not verified.
pub struct FileReader {
    connection: Connection,
    attempts: Attempts,
    request: ReadFileRequest,
    hasher: Option<blake3::Hasher>,
    header: Option<ReadFileHeader>,
    answers: Option<Streaming<ReadFileResponse>>,
    end: i64,
}

impl FileReader {
    pub(crate) fn new(connection: Connection, version_id: &str, path: &str, offset: i64, length: Option<i64>) -> Self {
        let source = Some(Source::VersionId(version_id.to_owned()));
        let is_whole = offset == 0 && length.is_none();
        Self {
            attempts: connection.attempts(),
            connection,
            request: ReadFileRequest { source, path: path.to_owned(), offset, length },
            hasher: is_whole.then(blake3::Hasher::new),
            header: None,
            answers: None,
            end: 0,
        }
    }

    /// The next bytes; None at the end. DataLoss if the whole does not match its digest.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.attempts.renew(); // however long the reader was busy
        loop {
            if self.header.is_some() && self.request.offset == self.end {
                return self.verify().map(|()| None);
            }
            match self.message().await {
                Ok(Some(part)) => {
                    self.attempts.renew();
                    if let Some(data) = self.take(part)? {
                        return Ok(Some(data));
                    }
                }
                Ok(None) => {
                    let message = format!("The file ends at byte {}, before its end.", self.request.offset);
                    return Err(Error::data_loss(message));
                }
                Err(status) => {
                    self.answers = None;
                    let error = self.connection.error(&status);
                    self.attempts.next(error).await?;
                }
            }
        }
    }

    async fn message(&mut self) -> std::result::Result<Option<Part>, tonic::Status> {
        if self.answers.is_none() {
            let mut client = ArtifactServiceClient::new(self.connection.service());
            self.answers = Some(client.read_file(self.request.clone()).await?.into_inner());
        }
        let answers = self.answers.as_mut().expect("it was opened");
        Ok(answers.message().await?.and_then(|message| message.part))
    }

    fn take(&mut self, part: Part) -> Result<Option<Bytes>> {
        match (part, &self.header) {
            (Part::Header(header), None) => {
                self.end = self.request.offset + header.length;
                self.left(header.length);
                self.header = Some(header);
                Ok(None)
            }
            (Part::Header(header), Some(first)) if header.digest == first.digest && header.offset == self.request.offset => Ok(None),
            (Part::Data(data), Some(_)) if data.len() as i64 <= self.end - self.request.offset => {
                self.request.offset += data.len() as i64;
                self.left(self.end - self.request.offset);
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&data);
                }
                Ok(Some(data))
            }
            _ => Err(Error::data_loss("The server sends other bytes than it announced.")),
        }
    }

    /// How much is asked for after a break, of a range.
    fn left(&mut self, length: i64) {
        if let Some(left) = &mut self.request.length {
            *left = length;
        }
    }

    fn verify(&self) -> Result<()> {
        match (&self.hasher, &self.header) {
            (Some(hasher), Some(header)) if to_bytes(hasher) != header.digest => {
                Err(Error::data_loss(format!("The bytes of {:?} do not match their digest.", header.path)))
            }
            _ => Ok(()),
        }
    }
}
