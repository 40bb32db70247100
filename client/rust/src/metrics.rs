use prost::Message;
use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::error::{Error, ErrorKind, Result};
use crate::point::Point;
use crate::v1::metric_service_client::MetricServiceClient;
use crate::v1::{LogMetricsRequest, MetricPoint};

const BATCH_BYTES: usize = 1 << 20;

/// Logs metric points of one model in batches, each point exactly once and in order, whatever breaks meanwhile.
///
/// Points are durable when [`flush`](Self::flush) returns Ok. When it does not, points that are not stored stay for the next
/// flush, but for a batch that the server refuses, with InvalidArgument or NotFound: none of it is stored. What was not flushed
/// when a log is dropped is lost.
pub struct MetricLog {
    connection: Connection,
    model_id: String,
    writer_id: String,
    waiting: Vec<MetricPoint>,
    waiting_bytes: usize,
    next: i64,
}

impl MetricLog {
    pub(crate) fn new(connection: Connection, model_id: &str) -> Self {
        Self {
            connection,
            model_id: model_id.to_owned(),
            writer_id: Uuid::new_v4().to_string(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            next: 0,
        }
    }

    /// Logs a point: it is sent with others, when they are many or at [`flush`](Self::flush).
    pub async fn log(&mut self, point: Point) -> Result<()> {
        if point.name.is_empty() {
            return Err(Error::invalid("name", "", "a metric has a name"));
        }
        if let Some(step) = point.step.filter(|step| *step < 0) {
            return Err(Error::invalid("step", &step.to_string(), "a step is never negative"));
        }
        let message = MetricPoint::from(point);
        self.waiting_bytes += message.encoded_len();
        self.waiting.push(message);
        let most = self.connection.limits().await?.max_points as usize;
        if self.waiting.len() >= most || self.waiting_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what waits; all points logged so far are durable when it returns Ok.
    pub async fn flush(&mut self) -> Result<()> {
        let most = self.connection.limits().await?.max_points as usize;
        while !self.waiting.is_empty() {
            let points = self.waiting[..self.batch(most)].to_vec();
            let count = points.len();
            let request = LogMetricsRequest {
                model_id: self.model_id.clone(),
                points,
                writer_id: self.writer_id.clone(),
                first_point: self.next,
            };
            match call!(self.connection, MetricServiceClient.log_metrics, request) {
                Ok(answer) => self.stored(count, answer.next_point)?,
                Err(error) => {
                    // They would be refused again, and hold up all that is logged after them.
                    if matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::NotFound) {
                        self.forget(count);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn stored(&mut self, count: usize, answered: i64) -> Result<()> {
        let expected = self.next + count as i64;
        if answered != expected {
            let message = format!(
                "The server goes on from point {answered} of this log, not from {expected}: another program logs by the same writer."
            );
            return Err(Error::new(ErrorKind::Stale, "STALE", message).with("expected", answered.to_string()));
        }
        self.next = answered;
        self.forget(count);
        Ok(())
    }

    fn forget(&mut self, count: usize) {
        self.waiting_bytes -= self.waiting.drain(..count).map(|point| point.encoded_len()).sum::<usize>();
    }

    /// How many of those that wait go together.
    fn batch(&self, most: usize) -> usize {
        let mut bytes = 0;
        let fits = |point: &&MetricPoint| {
            let is_room = bytes < BATCH_BYTES;
            bytes += point.encoded_len();
            is_room
        };
        self.waiting.iter().take(most.max(1)).take_while(fits).count()
    }
}
