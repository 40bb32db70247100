use std::fmt;

use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::error::Result;
use crate::metrics::MetricLog;
use crate::pages::{pages, Pages};
use crate::point::Point;
use crate::run::{status_name, Run};
use crate::v1::metric_service_client::MetricServiceClient;
use crate::v1::model_service_client::ModelServiceClient;
use crate::v1::run_service_client::RunServiceClient;
use crate::v1::{
    self, AdvanceModelRequest, CreateRunRequest, ListMetricsRequest, ListRunsRequest, ListSeriesRequest, RunEnvironment,
    SeriesSummary, UpdateModelTagsRequest,
};

/// What is trained; known by its hash inside its experiment.
#[derive(Clone)]
pub struct Model {
    connection: Connection,
    message: v1::Model,
    pub(crate) is_created: bool,
}

impl Model {
    pub(crate) fn new(connection: Connection, message: v1::Model) -> Self {
        Self { connection, message, is_created: false }
    }

    /// UUID.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// Its identity inside the experiment.
    pub fn hash(&self) -> &str {
        &self.message.hash
    }

    /// JSON object as text.
    pub fn config_json(&self) -> &str {
        &self.message.config_json
    }

    /// In the order they were added.
    pub fn tags(&self) -> &[String] {
        &self.message.tags
    }

    /// The live counter of training steps, as it was when this handle was made.
    pub fn step(&self) -> i64 {
        self.message.step
    }

    /// Status of its newest run: "running", "finished", "failed" or "lost"; empty when it never ran.
    pub fn status(&self) -> String {
        status_name(self.message.status())
    }

    /// Whether the call that gave this handle made the model, as opposed to finding it.
    pub fn is_created(&self) -> bool {
        self.is_created
    }

    /// Everything that the server said of it.
    pub fn message(&self) -> &v1::Model {
        &self.message
    }

    /// Begins a run.
    pub async fn run(&self) -> Result<Run> {
        self.run_in(RunEnvironment::default()).await
    }

    /// Begins a run, and says where and from what.
    pub async fn run_in(&self, environment: RunEnvironment) -> Result<Run> {
        let request = CreateRunRequest {
            model_id: self.id().to_owned(),
            run_id: Uuid::new_v4().to_string(),
            environment: Some(environment),
            started_at_us: None,
        };
        let answer = call!(self.connection, RunServiceClient.create_run, request)?;
        Ok(Run::new(self.connection.clone(), answer.run.unwrap_or_default()))
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> Pages<Run> {
        let request = ListRunsRequest { model_id: self.id().to_owned(), ..Default::default() };
        pages!(self.connection, RunServiceClient.list_runs, request, runs, Run::new)
    }

    /// A log of metric points, to be flushed when all are logged.
    pub fn metrics(&self) -> MetricLog {
        MetricLog::new(self.connection.clone(), self.id())
    }

    /// All points of a name, in the order of logging.
    pub fn points(&self, name: &str) -> Pages<Point> {
        let request =
            ListMetricsRequest { model_id: self.id().to_owned(), name: Some(name.to_owned()), ..Default::default() };
        let made = |_, metric: v1::Metric| Point::from(metric.point.unwrap_or_default());
        pages!(self.connection, MetricServiceClient.list_metrics, request, metrics, made)
    }

    /// What there is of each name and phase: how many points, the last one, the smallest and the largest value.
    pub fn series(&self) -> Pages<SeriesSummary> {
        let request = ListSeriesRequest { model_ids: vec![self.id().to_owned()], ..Default::default() };
        let made = |_, summary| summary;
        pages!(self.connection, MetricServiceClient.list_series, request, series, made)
    }

    /// Adds to the live counter of steps, and returns it.
    pub async fn advance(&self, delta: i64) -> Result<i64> {
        let request =
            AdvanceModelRequest { model_id: self.id().to_owned(), advance_id: Uuid::new_v4().to_string(), delta };
        Ok(call!(self.connection, ModelServiceClient.advance_model, request)?.step)
    }

    /// Adds and removes tags, and returns all of them.
    pub async fn update_tags(&self, add: &[&str], remove: &[&str]) -> Result<Vec<String>> {
        let texts = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let request = UpdateModelTagsRequest { model_id: self.id().to_owned(), add: texts(add), remove: texts(remove) };
        Ok(call!(self.connection, ModelServiceClient.update_model_tags, request)?.tags)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Model({:?})", self.hash())
    }
}
