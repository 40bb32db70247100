use std::fmt;

use crate::connection::{call, Connection};
use crate::error::Result;
use crate::v1::run_service_client::RunServiceClient;
use crate::v1::{self, FinishRunRequest, HeartbeatRunRequest, RunStatus};

const LONGEST_ERROR: usize = 16_384;

/// One attempt at training a model. One that is neither ended nor heard of for `Limits.run_lost_after_us` is shown as lost.
#[derive(Clone)]
pub struct Run {
    connection: Connection,
    message: v1::Run,
}

impl Run {
    pub(crate) fn new(connection: Connection, message: v1::Run) -> Self {
        Self { connection, message }
    }

    /// UUID.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// "running", "finished", "failed" or "lost".
    pub fn status(&self) -> String {
        status_name(self.message.status())
    }

    /// Everything that the server said of it.
    pub fn message(&self) -> &v1::Run {
        &self.message
    }

    /// Says that it is alive, and returns its status.
    pub async fn heartbeat(&self) -> Result<String> {
        let request = HeartbeatRunRequest { run_id: self.id().to_owned() };
        Ok(status_name(call!(self.connection, RunServiceClient.heartbeat_run, request)?.status()))
    }

    /// Ends it well. The first end counts.
    pub async fn finish(&mut self) -> Result<()> {
        self.end(RunStatus::Finished, String::new()).await
    }

    /// Ends it by an error, of which the first 16,384 characters are kept.
    pub async fn fail(&mut self, error: &str) -> Result<()> {
        self.end(RunStatus::Failed, error.chars().take(LONGEST_ERROR).collect()).await
    }

    async fn end(&mut self, status: RunStatus, error: String) -> Result<()> {
        let request =
            FinishRunRequest { run_id: self.id().to_owned(), status: status.into(), error, ended_at_us: None };
        self.message = call!(self.connection, RunServiceClient.finish_run, request)?.run.unwrap_or_default();
        Ok(())
    }
}

pub(crate) fn status_name(status: RunStatus) -> String {
    match status {
        RunStatus::Unspecified => String::new(),
        other => other.as_str_name().trim_start_matches("RUN_STATUS_").to_lowercase(),
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Run({}, {})", self.id(), self.status())
    }
}
