use std::fmt;

use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::pages::{pages, Pages};
use crate::upload::Upload;
use crate::v1::artifact_name::Selector;
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::experiment_service_client::ExperimentServiceClient;
use crate::v1::get_artifact_version_request::Source;
use crate::v1::get_experiment_request::Key;
use crate::v1::project_service_client::ProjectServiceClient;
use crate::v1::{
    self, ArtifactName, CreateExperimentRequest, DeleteProjectRequest, ExperimentName, GetArtifactVersionRequest,
    GetExperimentRequest, ListArtifactVersionsRequest, ListArtifactsRequest, ListExperimentsRequest,
};
use crate::version::Version;

/// The directory of a campaign: experiments and artifacts.
#[derive(Clone)]
pub struct Project {
    connection: Connection,
    message: v1::Project,
}

impl Project {
    pub(crate) fn new(connection: Connection, message: v1::Project) -> Self {
        Self { connection, message }
    }

    /// The caller's own id.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// Made by the server, unique for ever.
    pub fn uid(&self) -> &str {
        &self.message.uid
    }

    /// Display name.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Everything that the server said of it.
    pub fn message(&self) -> &v1::Project {
        &self.message
    }

    /// The experiment of this name, to be opened, and created if it is not there.
    pub fn experiment(&self, name: &str) -> OpenExperiment {
        let request = CreateExperimentRequest {
            project_uid: self.uid().to_owned(),
            experiment_id: Uuid::new_v4().to_string(),
            name: name.to_owned(),
            allow_existing: true,
            ..Default::default()
        };
        OpenExperiment { connection: self.connection.clone(), request }
    }

    /// Returns the experiment of this name; NotFound if there is none.
    pub async fn find_experiment(&self, name: &str) -> Result<Experiment> {
        let key = ExperimentName { project_uid: self.uid().to_owned(), name: name.to_owned() };
        let request = GetExperimentRequest { key: Some(Key::ExperimentName(key)) };
        let answer = call!(self.connection, ExperimentServiceClient.get_experiment, request)?;
        Ok(Experiment::new(self.connection.clone(), answer.experiment.unwrap_or_default()))
    }

    /// All experiments, oldest first.
    pub fn experiments(&self) -> Pages<Experiment> {
        let request = ListExperimentsRequest { project_uid: self.uid().to_owned(), ..Default::default() };
        pages!(self.connection, ExperimentServiceClient.list_experiments, request, experiments, Experiment::new)
    }

    /// The newest version of each artifact, the oldest artifact first.
    pub fn artifacts(&self) -> Pages<Version> {
        let request = ListArtifactsRequest { project_uid: self.uid().to_owned(), ..Default::default() };
        let latest = |connection, artifact: v1::Artifact| Version::new(connection, artifact.latest.unwrap_or_default());
        pages!(self.connection, ArtifactServiceClient.list_artifacts, request, artifacts, latest)
    }

    /// All versions of an artifact, oldest first.
    pub fn versions(&self, name: &str) -> Pages<Version> {
        let request = ListArtifactVersionsRequest {
            project_uid: self.uid().to_owned(),
            name: Some(name.to_owned()),
            ..Default::default()
        };
        pages!(self.connection, ArtifactServiceClient.list_artifact_versions, request, versions, Version::new)
    }

    /// The newest version of an artifact; NotFound if there is none.
    pub async fn artifact(&self, name: &str) -> Result<Version> {
        self.version(name, None).await
    }

    /// The version of an artifact that has this number.
    pub async fn artifact_version(&self, name: &str, number: i64) -> Result<Version> {
        self.version(name, Some(Selector::Version(number))).await
    }

    /// The version of an artifact that this alias points to.
    pub async fn artifact_alias(&self, name: &str, alias: &str) -> Result<Version> {
        self.version(name, Some(Selector::Alias(alias.to_owned()))).await
    }

    async fn version(&self, name: &str, selector: Option<Selector>) -> Result<Version> {
        let name = ArtifactName { project_id: self.id().to_owned(), name: name.to_owned(), selector };
        let request = GetArtifactVersionRequest { source: Some(Source::ArtifactName(name)) };
        let answer = call!(self.connection, ArtifactServiceClient.get_artifact_version, request)?;
        Ok(Version::new(self.connection.clone(), answer.version.unwrap_or_default()))
    }

    /// Begins an upload of one file as a version of the artifact of this name.
    pub fn upload(&self, name: &str) -> Upload {
        Upload::new(self.connection.clone(), self.uid(), name)
    }

    /// Deletes the project with everything in it; the server can bring it back for a while.
    pub async fn delete(self) -> Result<()> {
        let request = DeleteProjectRequest { project_uid: self.uid().to_owned() };
        call!(self.connection, ProjectServiceClient.delete_project, request)?;
        Ok(())
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Project({:?})", self.id())
    }
}

/// An experiment to be opened.
#[must_use]
pub struct OpenExperiment {
    connection: Connection,
    request: CreateExperimentRequest,
}

impl OpenExperiment {
    /// Its description if it is created.
    pub fn description(mut self, text: &str) -> Self {
        self.request.description = text.to_owned();
        self
    }

    /// One more tag if it is created.
    pub fn tag(mut self, tag: &str) -> Self {
        self.request.tags.push(tag.to_owned());
        self
    }

    /// Opens it, or creates it.
    pub async fn open(self) -> Result<Experiment> {
        let answer = call!(self.connection, ExperimentServiceClient.create_experiment, self.request.clone())?;
        Ok(Experiment::new(self.connection, answer.experiment.unwrap_or_default()))
    }
}
