//! The client for Rust as a command of the conformance suite: tests/conformance/README.md says what is asked and answered.

mod content;

use std::env;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde_json::{json, Map, Value as Json};
use uuid::Uuid;
use xpstore::v1::limits_service_client::LimitsServiceClient;
use xpstore::v1::metric_service_client::MetricServiceClient;
use xpstore::v1::{GetLimitsRequest, LogMetricsRequest, MetricPoint};
use xpstore::{Client, Error, Experiment, Pages, Point, Project, Source, Value, Version};

const COMMANDS: [&str; 14] = [
    "hello", "limits", "project", "model", "run", "log_metrics", "series", "list_all", "upload_file", "download", "read_range",
    "get", "alias", "bye",
];

/// What is answered as an error.
enum Failure {
    Typed(Error),
    Unsupported(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Typed(error)
    }
}

type Answer = Result<Json, Failure>;

#[derive(Default)]
struct Command {
    client: Option<Client>,
}

#[tokio::main]
async fn main() {
    let mut command = Command::default();
    for line in std::io::stdin().lines() {
        let line = line.expect("stdin is text");
        let request: Json = serde_json::from_str(&line).expect("a request is JSON");
        let mut answer = match command.act(text(&request, "do"), &request["with"]).await {
            Ok(ok) => json!({ "ok": ok }),
            Err(failure) => json!({ "error": told(&failure) }),
        };
        answer["id"] = request["id"].clone();
        println!("{answer}");
        std::io::stdout().flush().expect("stdout is there");
        if text(&request, "do") == "bye" {
            break;
        }
    }
}

fn told(failure: &Failure) -> Json {
    match failure {
        Failure::Typed(error) => {
            let reason = if error.metadata().contains_key("contract_version") { "CONTRACT" } else { error.reason() };
            let metadata: Map<String, Json> = error.metadata().iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "reason": reason, "metadata": metadata, "message": error.to_string() })
        }
        Failure::Unsupported(what) => json!({ "reason": "UNSUPPORTED", "metadata": {}, "message": what }),
    }
}

impl Command {
    async fn act(&mut self, name: &str, with: &Json) -> Answer {
        match name {
            "hello" => Ok(json!({ "language": "rust", "sdk": "0.1.0", "contract": "1.0", "profile": "core", "commands": COMMANDS })),
            "bye" => {
                self.client = None;
                Ok(json!({}))
            }
            "limits" => self.limits().await,
            "project" => self.project(with).await,
            "model" => self.model(with).await,
            "run" => self.run(with).await,
            "log_metrics" => self.log_metrics(with).await,
            "series" => self.series(with).await,
            "list_all" => self.list_all(with).await,
            "upload_file" => self.upload_file(with).await,
            "download" => self.download(with).await,
            "read_range" => self.read_range(with).await,
            "get" => self.get(with).await,
            "alias" => self.alias(with).await,
            other => Err(Failure::Unsupported(other.to_owned())),
        }
    }

    async fn client(&mut self) -> Result<Client, Failure> {
        if self.client.is_none() {
            self.client = Some(Client::builder().connect().await?);
        }
        Ok(self.client.clone().expect("it is connected"))
    }

    async fn limits(&mut self) -> Answer {
        let call = |service, request| async move { LimitsServiceClient::new(service).get_limits(request).await };
        let limits = self.client().await?.call(GetLimitsRequest {}, call).await?.limits.unwrap_or_default();
        Ok(json!({
            "contract_version": limits.contract_version,
            "server_version": limits.server_version,
            "max_message_bytes": limits.max_message_bytes,
            "max_points": limits.max_points,
            "max_page_size": limits.max_page_size,
        }))
    }

    async fn project(&mut self, with: &Json) -> Answer {
        let id = text(with, "project");
        let name = with["name"].as_str().unwrap_or(id);
        Ok(json!({ "uid": self.client().await?.project(id).name(name).open().await?.uid() }))
    }

    async fn found(&mut self, with: &Json) -> Result<Project, Failure> {
        Ok(self.client().await?.find_project(text(with, "project")).await?)
    }

    async fn experiment(&mut self, with: &Json) -> Result<Experiment, Failure> {
        Ok(self.found(with).await?.find_experiment(text(with, "experiment")).await?)
    }

    async fn model(&mut self, with: &Json) -> Answer {
        let experiment = self.found(with).await?.experiment(text(with, "experiment")).open().await?;
        let mut opened = experiment.model(text(with, "hash")).config_json(with["config"].as_str().unwrap_or(""));
        for tag in texts(with, "tags") {
            opened = opened.tag(tag);
        }
        let model = opened.open().await?;
        Ok(json!({ "model_id": model.id(), "created": model.is_created() }))
    }

    async fn run(&mut self, with: &Json) -> Answer {
        let mut run = self.client().await?.model(text(with, "model_id")).await?.run().await?;
        match text(with, "status") {
            "finished" => run.finish().await?,
            _ => run.fail(with["error"].as_str().unwrap_or("")).await?,
        }
        Ok(json!({ "run_id": run.id(), "status": run.status() }))
    }

    async fn log_metrics(&mut self, with: &Json) -> Answer {
        let client = self.client().await?;
        let points: Vec<Point> = with["points"].as_array().into_iter().flatten().flat_map(points).collect();
        let model_id = text(with, "model_id").to_owned();
        if let Some(writer) = with["writer"].as_str() {
            let points = points.into_iter().map(MetricPoint::from).collect();
            let first_point = with["first"].as_i64().expect("first");
            let request = LogMetricsRequest { model_id, points, writer_id: writer.to_owned(), first_point };
            let call = |service, request| async move { MetricServiceClient::new(service).log_metrics(request).await };
            let answer = client.call(request, call).await?;
            return Ok(json!({ "stored": answer.stored_count, "next": answer.next_point }));
        }
        let mut log = client.model(&model_id).await?.metrics();
        let stored = points.len();
        for point in points {
            log.log(point).await?;
        }
        log.flush().await?;
        Ok(json!({ "stored": stored }))
    }

    async fn series(&mut self, with: &Json) -> Answer {
        let phase = with["phase"].as_str();
        let model = self.client().await?.model(text(with, "model_id")).await?;
        let mut found = model.points(text(with, "name")).page_size(1000);
        let (mut values, mut kinds, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(point) = found.next().await? {
            if point.phase.as_deref() == phase {
                let (kind, value) = match point.value {
                    Value::Float(value) => ("float", value.to_string()),
                    Value::Int(value) => ("int", value.to_string()),
                    Value::Json(value) => ("json", value),
                };
                values.push(value);
                kinds.push(kind);
                steps.push(point.step.map(|step| step.to_string()));
            }
        }
        Ok(json!({ "count": values.len(), "values": values, "kinds": kinds, "steps": steps }))
    }

    async fn list_all(&mut self, with: &Json) -> Answer {
        let items = match text(with, "of") {
            "projects" => all(with, self.client().await?.projects(), |one| one.id().to_owned()).await?,
            "experiments" => all(with, self.found(with).await?.experiments(), |one| one.name().to_owned()).await?,
            "models" => all(with, self.experiment(with).await?.models(), |one| one.hash().to_owned()).await?,
            "artifacts" => all(with, self.found(with).await?.artifacts(), |one| one.name().to_owned()).await?,
            "versions" => all(with, self.found(with).await?.versions(text(with, "name")), |one| one.id().to_owned()).await?,
            "files" => all(with, self.version(with).await?.files(), |one| one.path).await?,
            "series" => {
                let model = self.client().await?.model(text(with, "model_id")).await?;
                all(with, model.series(), |one| match one.phase {
                    Some(phase) => format!("{}/{phase}", one.name),
                    None => one.name,
                })
                .await?
            }
            other => return Err(Failure::Unsupported(format!("list_all of {other}"))),
        };
        Ok(json!({ "count": items.len(), "items": items }))
    }

    async fn upload_file(&mut self, with: &Json) -> Answer {
        let project = self.found(with).await?;
        let mut upload = project
            .upload(text(with, "name"))
            .path(text(with, "path"))
            .kind(with["type"].as_str().unwrap_or("directory"))
            .metadata_json(with["metadata"].as_str().unwrap_or(""));
        for alias in texts(with, "aliases") {
            upload = upload.alias(alias);
        }
        if let Some(id) = with["upload_id"].as_str() {
            upload = upload.id(Uuid::parse_str(id).expect("a UUID"));
        }
        let content = content::make(&with["content"]);
        if let Some(digest) = with["blake3"].as_str() {
            upload = upload.blake3(*blake3::Hash::from_hex(digest).expect("a digest").as_bytes());
        }
        let source = match with["pause_after_bytes"].as_u64() {
            None => Source::bytes(content),
            Some(after) => {
                // A source that pauses is not read beforehand.
                upload = upload.blake3(*blake3::hash(&content).as_bytes());
                let seconds = with["pause_seconds"].as_f64().unwrap_or(0.0);
                Source::new(move |offset| {
                    let paused = content::Paused::new(content.clone(), offset as usize, after as usize, seconds);
                    async move { Ok(paused) }
                })
            }
        };
        let began = Instant::now();
        let version = upload.send(source).await?;
        let mut answer = of(&version);
        answer["seconds"] = json!(began.elapsed().as_secs_f64());
        answer["created"] = json!(version.is_created());
        Ok(answer)
    }

    async fn version(&mut self, with: &Json) -> Result<Version, Failure> {
        if let Some(id) = with["version_id"].as_str() {
            return Ok(self.client().await?.version(id).await?);
        }
        let (project, name) = (self.found(with).await?, text(with, "name"));
        Ok(match (with["version"].as_i64(), with["alias"].as_str()) {
            (Some(number), _) => project.artifact_version(name, number).await?,
            (None, Some(alias)) => project.artifact_alias(name, alias).await?,
            (None, None) => project.artifact(name).await?,
        })
    }

    async fn download(&mut self, with: &Json) -> Answer {
        let folder = Path::new(&env::var("CONFORMANCE_DIR").expect("CONFORMANCE_DIR")).join(Uuid::new_v4().to_string());
        let began = Instant::now();
        let version = self.version(with).await?;
        version.download_all(&folder).await?;
        let folder = std::path::absolute(folder).expect("a path");
        Ok(json!({ "version_id": version.id(), "folder": folder, "seconds": began.elapsed().as_secs_f64() }))
    }

    async fn read_range(&mut self, with: &Json) -> Answer {
        let version = self.client().await?.version(text(with, "version_id")).await?;
        let path = text(with, "path");
        let (offset, length) = (with["offset"].as_i64().expect("offset"), with["length"].as_i64().unwrap_or(i64::MAX));
        let mut file = version.open_range(path, offset, length);
        let mut hasher = blake3::Hasher::new();
        while let Some(data) = file.next().await? {
            hasher.update(&data);
        }
        let files = version.files().collect().await?;
        let whole = files.iter().find(|file| file.path == path).map(|file| file.size_bytes);
        let digest = hasher.finalize().to_hex().to_string();
        Ok(json!({ "size_bytes": hasher.count(), "blake3": digest, "file_size_bytes": whole }))
    }

    async fn get(&mut self, with: &Json) -> Answer {
        match text(with, "of") {
            "project" => {
                let project = self.found(with).await?;
                Ok(json!({ "uid": project.uid(), "name": project.name() }))
            }
            "model" => {
                let model = self.experiment(with).await?.find_model(text(with, "hash")).await?;
                Ok(json!({
                    "model_id": model.id(),
                    "step": model.step().to_string(),
                    "config": model.config_json(),
                    "tags": model.tags(),
                    "status": model.status(),
                }))
            }
            "version" => Ok(of(&self.version(with).await?)),
            other => Err(Failure::Unsupported(format!("get of {other}"))),
        }
    }

    async fn alias(&mut self, with: &Json) -> Answer {
        let version = self.client().await?.version(text(with, "version_id")).await?;
        Ok(of(&version.set_alias(text(with, "alias")).await?))
    }
}

async fn all<T>(with: &Json, pages: Pages<T>, named: impl Fn(T) -> String) -> Result<Vec<String>, Failure> {
    let size = with["page_size"].as_i64().unwrap_or(0) as i32;
    Ok(pages.page_size(size).collect().await?.into_iter().map(named).collect())
}

fn of(version: &Version) -> Json {
    json!({
        "version_id": version.id(),
        "version": version.number(),
        "name": version.name(),
        "type": version.kind(),
        "digest": version.digest(),
        "size_bytes": version.size_bytes(),
        "file_count": version.message().file_count,
        "aliases": version.aliases(),
        "metadata": version.metadata_json(),
    })
}

fn points(said: &Json) -> impl Iterator<Item = Point> + '_ {
    (0..said["count"].as_i64().unwrap_or(1)).map(move |i| {
        let (name, value) = (text(said, "name"), text(said, "value"));
        let value = match text(said, "kind") {
            "float" => Value::Float(value.parse::<f64>().expect("a float") + i as f64),
            "int" => Value::Int(value.parse::<i64>().expect("an integer") + i),
            _ => Value::Json(value.to_owned()),
        };
        let number = |name: &str| said[name].as_str().map(|digits| digits.parse::<i64>().expect("an integer"));
        let mut point = Point::new(name, value);
        point.step = number("step").map(|step| step + i);
        point.phase = said["phase"].as_str().map(str::to_owned);
        point.time_us = number("time_us");
        point
    })
}

fn texts<'a>(with: &'a Json, name: &str) -> impl Iterator<Item = &'a str> {
    with[name].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn text<'a>(with: &'a Json, name: &str) -> &'a str {
    with[name].as_str().unwrap_or_else(|| panic!("{name} is missing"))
}
