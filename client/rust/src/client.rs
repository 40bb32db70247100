use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fmt};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::connection::{call, Connection, Service};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::pages::{pages, Pages};
use crate::project::Project;
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::get_artifact_version_request::Source as VersionKey;
use crate::v1::get_model_request::Key as ModelKey;
use crate::v1::get_project_request::Key as ProjectKey;
use crate::v1::model_service_client::ModelServiceClient;
use crate::v1::project_service_client::ProjectServiceClient;
use crate::v1::{
    CreateProjectRequest, GetArtifactVersionRequest, GetModelRequest, GetProjectRequest, Limits, ListProjectsRequest,
};
use crate::version::Version;

/// A connection to a server. Clones, and all handles that come from it, share it.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects, and proves address, key and contract by one call.
    ///
    /// `address` is `host:port`, `http(s)://...`, `grpc(s)://...` or `unix:path`; without a scheme, all but loopback is spoken to with
    /// TLS.
    pub async fn connect(address: &str, api_key: &str) -> Result<Self> {
        Self::builder().address(address).api_key(api_key).connect().await
    }

    /// Says how to connect. What is not said comes from `XPSTORE_API_URL`, `XPSTORE_API_KEY` and `XPSTORE_TLS_CA`.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            address: env::var("XPSTORE_API_URL").unwrap_or_default(),
            api_key: env::var("XPSTORE_API_KEY").unwrap_or_default(),
            authority: env::var_os("XPSTORE_TLS_CA").filter(|path| !path.is_empty()).map(PathBuf::from),
            timeout: Duration::from_secs(30),
        }
    }

    /// The project that has this id, to be opened, and created if it is not there.
    pub fn project(&self, id: &str) -> OpenProject {
        let request = CreateProjectRequest {
            project_id: id.to_owned(),
            name: id.to_owned(),
            creation_id: Uuid::new_v4().to_string(),
            allow_existing: true,
            ..Default::default()
        };
        OpenProject { connection: self.connection.clone(), request }
    }

    /// Returns the project that has this id; NotFound if there is none.
    pub async fn find_project(&self, id: &str) -> Result<Project> {
        let request = GetProjectRequest { key: Some(ProjectKey::ProjectId(id.to_owned())) };
        let answer = call!(self.connection, ProjectServiceClient.get_project, request)?;
        Ok(Project::new(self.connection.clone(), answer.project.unwrap_or_default()))
    }

    /// All projects that the key may see, oldest first.
    pub fn projects(&self) -> Pages<Project> {
        let request = ListProjectsRequest::default();
        pages!(self.connection, ProjectServiceClient.list_projects, request, projects, Project::new)
    }

    /// Returns a model by its id.
    pub async fn model(&self, model_id: &str) -> Result<Model> {
        let request = GetModelRequest { key: Some(ModelKey::ModelId(model_id.to_owned())) };
        let answer = call!(self.connection, ModelServiceClient.get_model, request)?;
        Ok(Model::new(self.connection.clone(), answer.model.unwrap_or_default()))
    }

    /// Returns an artifact version by its id.
    pub async fn version(&self, version_id: &str) -> Result<Version> {
        let request = GetArtifactVersionRequest { source: Some(VersionKey::VersionId(version_id.to_owned())) };
        let answer = call!(self.connection, ArtifactServiceClient.get_artifact_version, request)?;
        Ok(Version::new(self.connection.clone(), answer.version.unwrap_or_default()))
    }

    /// What this server accepts; asked for again after a minute, or when the server was away.
    pub async fn limits(&self) -> Result<Limits> {
        self.connection.limits().await
    }

    /// Makes any call of the contract that one message answers, with the retries and errors of this client.
    ///
    /// ```no_run
    /// # async fn example(client: xpstore::Client, run_id: String) -> xpstore::Result<()> {
    /// use xpstore::v1::{run_service_client::RunServiceClient, GetRunRequest};
    /// let request = GetRunRequest { run_id };
    /// let answer = client
    ///     .call(request, |service, request| async move { RunServiceClient::new(service).get_run(request).await })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call<R, T, F, A>(&self, request: R, method: F) -> Result<T>
    where
        R: Clone,
        F: Fn(Service, Request<R>) -> A,
        A: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        self.connection.call(request, method).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

/// How to connect.
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    address: String,
    api_key: String,
    authority: Option<PathBuf>,
    timeout: Duration,
}

impl ClientBuilder {
    /// Where the server is.
    pub fn address(mut self, address: &str) -> Self {
        self.address = address.to_owned();
        self
    }

    /// The key.
    pub fn api_key(mut self, api_key: &str) -> Self {
        self.api_key = api_key.to_owned();
        self
    }

    /// PEM file of the authority that signs the server's certificate; default those of the machine.
    pub fn authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authority = Some(file.into());
        self
    }

    /// How long a call may take in all, repetitions while the server is away included; default 30 s. Uploads and downloads give
    /// up after so long without progress.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and proves address, key and contract by one call.
    pub async fn connect(self) -> Result<Client> {
        for (field, value) in [("address", &self.address), ("api_key", &self.api_key)] {
            if value.is_empty() {
                return Err(Error::invalid(field, "", "say it, or set XPSTORE_API_URL and XPSTORE_API_KEY"));
            }
        }
        let connection = Connection::new(&self.address, &self.api_key, self.authority.as_deref(), self.timeout)?;
        connection.limits().await?;
        Ok(Client { connection })
    }
}

/// A project to be opened.
#[must_use]
pub struct OpenProject {
    connection: Connection,
    request: CreateProjectRequest,
}

impl OpenProject {
    /// Its display name if it is created; default its id.
    pub fn name(mut self, name: &str) -> Self {
        self.request.name = name.to_owned();
        self
    }

    /// Its description if it is created.
    pub fn description(mut self, text: &str) -> Self {
        self.request.description = text.to_owned();
        self
    }

    /// Opens it, or creates it.
    pub async fn open(self) -> Result<Project> {
        let answer = call!(self.connection, ProjectServiceClient.create_project, self.request.clone())?;
        Ok(Project::new(self.connection, answer.project.unwrap_or_default()))
    }
}
