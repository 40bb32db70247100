//! Client of xpstore, a store of machine-learning experiments and artifacts.
//!
//! ```no_run
//! # async fn example() -> xpstore::Result<()> {
//! use xpstore::{Client, Point};
//!
//! let client = Client::connect("localhost:50051", "xps_...").await?;
//! let project = client.project("mnist").open().await?;
//! let model = project.experiment("baseline").open().await?.model("lr=0.1").tag("small").open().await?;
//! let mut log = model.metrics();
//! log.log(Point::new("loss", 0.25).step(1).phase("train")).await?;
//! log.flush().await?;
//! let version = project.upload("weights").alias("best").send_file("model.safetensors").await?;
//! version.download("model.safetensors", "copy.safetensors").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Calls are repeated with backoff while the server is away, for as long as a call may take; see [`ClientBuilder::timeout`].
//! [`v1`] is generated from the contract, for what the handles do not do: see [`Client::call`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod attempts;
mod client;
mod connection;
mod digest;
mod error;
mod experiment;
mod file;
mod message_size;
mod metrics;
mod model;
mod pages;
mod point;
mod project;
mod run;
mod source;
mod upload;
/// Messages and clients generated from the contract.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1;
mod version;

pub use client::{Client, ClientBuilder, OpenProject};
pub use connection::Service;
pub use error::{Error, ErrorKind, Result};
pub use experiment::{Experiment, OpenModel};
pub use file::FileReader;
pub use metrics::MetricLog;
pub use model::Model;
pub use pages::Pages;
pub use point::{Point, Value};
pub use project::{OpenExperiment, Project};
pub use run::Run;
pub use source::Source;
pub use upload::Upload;
pub use version::{Entry, Version};
