use std::fmt;

use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::error::Result;
use crate::model::Model;
use crate::pages::{pages, Pages};
use crate::v1::get_model_request::Key;
use crate::v1::model_service_client::ModelServiceClient;
use crate::v1::search_models_request::Scope;
use crate::v1::{self, CreateModelRequest, GetModelRequest, ListModelsRequest, ModelHash, SearchModelsRequest};

/// Models that are compared with each other.
#[derive(Clone)]
pub struct Experiment {
    connection: Connection,
    message: v1::Experiment,
}

impl Experiment {
    pub(crate) fn new(connection: Connection, message: v1::Experiment) -> Self {
        Self { connection, message }
    }

    /// UUID.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// Name, unique in the project.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Everything that the server said of it.
    pub fn message(&self) -> &v1::Experiment {
        &self.message
    }

    /// The model of this hash, to be opened, and created if it is not there.
    pub fn model(&self, hash: &str) -> OpenModel {
        let request = CreateModelRequest {
            experiment_id: self.id().to_owned(),
            model_id: Uuid::new_v4().to_string(),
            hash: hash.to_owned(),
            allow_existing: true,
            ..Default::default()
        };
        OpenModel { connection: self.connection.clone(), request }
    }

    /// Returns the model of this hash; NotFound if there is none.
    pub async fn find_model(&self, hash: &str) -> Result<Model> {
        let key = ModelHash { experiment_id: self.id().to_owned(), hash: hash.to_owned() };
        let request = GetModelRequest { key: Some(Key::ModelHash(key)) };
        let answer = call!(self.connection, ModelServiceClient.get_model, request)?;
        Ok(Model::new(self.connection.clone(), answer.model.unwrap_or_default()))
    }

    /// All models, oldest first.
    pub fn models(&self) -> Pages<Model> {
        let request = ListModelsRequest { experiment_id: self.id().to_owned(), ..Default::default() };
        pages!(self.connection, ModelServiceClient.list_models, request, models, Model::new)
    }

    /// Models that a filter holds for, in an order.
    ///
    /// `filter` is such as `metrics.accuracy.max > 0.9 and not tags = "old"`, empty for all; `order_by` such as
    /// `metrics.loss.min, step desc`, empty for oldest first.
    pub fn search(&self, filter: &str, order_by: &str) -> Pages<Model> {
        let request = SearchModelsRequest {
            scope: Some(Scope::ExperimentId(self.id().to_owned())),
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            ..Default::default()
        };
        pages!(self.connection, ModelServiceClient.search_models, request, models, Model::new)
    }
}

impl fmt::Debug for Experiment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Experiment({:?})", self.name())
    }
}

/// A model to be opened.
#[must_use]
pub struct OpenModel {
    connection: Connection,
    request: CreateModelRequest,
}

impl OpenModel {
    /// Its display name if it is created.
    pub fn name(mut self, name: &str) -> Self {
        self.request.name = Some(name.to_owned());
        self
    }

    /// Its description if it is created.
    pub fn description(mut self, text: &str) -> Self {
        self.request.description = Some(text.to_owned());
        self
    }

    /// Its config if it is created: a JSON object as text.
    pub fn config_json(mut self, json: &str) -> Self {
        self.request.config_json = json.to_owned();
        self
    }

    /// One more tag if it is created.
    pub fn tag(mut self, tag: &str) -> Self {
        self.request.tags.push(tag.to_owned());
        self
    }

    /// Opens it, or creates it.
    pub async fn open(self) -> Result<Model> {
        let answer = call!(self.connection, ModelServiceClient.create_model, self.request.clone())?;
        let mut model = Model::new(self.connection, answer.model.unwrap_or_default());
        model.is_created = answer.created;
        Ok(model)
    }
}
