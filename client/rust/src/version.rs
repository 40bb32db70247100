use std::fmt;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::connection::{call, Connection};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::file::FileReader;
use crate::pages::{pages, Pages};
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::{
    self, ArtifactVersion, DeleteArtifactVersionRequest, FileType, ListArtifactFilesRequest, SetArtifactAliasRequest,
};

/// One version of an artifact: an immutable tree of files.
#[derive(Clone)]
pub struct Version {
    connection: Connection,
    message: ArtifactVersion,
    pub(crate) is_created: bool,
}

/// A file or an empty directory of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative path, with "/" between its parts.
    pub path: String,
    /// Whether it is an empty directory.
    pub is_directory: bool,
    /// Whether its executable bit is set.
    pub is_executable: bool,
    /// Size in bytes.
    pub size_bytes: i64,
    /// BLAKE3 in hexadecimal; empty for a directory.
    pub digest: String,
}

impl From<v1::ArtifactFile> for Entry {
    fn from(file: v1::ArtifactFile) -> Self {
        Self {
            is_directory: file.r#type() == FileType::Directory,
            is_executable: file.executable,
            size_bytes: file.size_bytes,
            digest: hex(&file.digest),
            path: file.path,
        }
    }
}

impl Version {
    pub(crate) fn new(connection: Connection, message: ArtifactVersion) -> Self {
        Self { connection, message, is_created: false }
    }

    /// UUID.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// Name of the artifact.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Kind of thing.
    pub fn kind(&self) -> &str {
        &self.message.r#type
    }

    /// 1, 2, 3, ... in the artifact.
    pub fn number(&self) -> i64 {
        self.message.version
    }

    /// Tree digest in hexadecimal: the identity of the content.
    pub fn digest(&self) -> String {
        hex(&self.message.digest)
    }

    /// Sum of the sizes of its files.
    pub fn size_bytes(&self) -> i64 {
        self.message.size_bytes
    }

    /// JSON object as text.
    pub fn metadata_json(&self) -> &str {
        &self.message.metadata_json
    }

    /// Aliases that point to it, sorted.
    pub fn aliases(&self) -> &[String] {
        &self.message.aliases
    }

    /// Whether the upload that gave this handle made the version, as opposed to finding one with this content.
    pub fn is_created(&self) -> bool {
        self.is_created
    }

    /// Everything that the server said of it.
    pub fn message(&self) -> &ArtifactVersion {
        &self.message
    }

    /// Files and empty directories, in the order of their paths' UTF-8 bytes.
    pub fn files(&self) -> Pages<Entry> {
        let request = ListArtifactFilesRequest { version_id: self.id().to_owned(), ..Default::default() };
        let made = |_, file| Entry::from(file);
        pages!(self.connection, ArtifactServiceClient.list_artifact_files, request, files, made)
    }

    /// Opens a file, verified at its end. `path` may be empty where the version has one file.
    pub fn open(&self, path: &str) -> FileReader {
        FileReader::new(self.connection.clone(), self.id(), path, 0, None)
    }

    /// Opens a range of a file, which is not verified. A range past the end is cut there.
    pub fn open_range(&self, path: &str, offset: i64, length: i64) -> FileReader {
        FileReader::new(self.connection.clone(), self.id(), path, offset, Some(length))
    }

    /// Reads a file into memory, verified.
    pub async fn read(&self, path: &str) -> Result<Bytes> {
        let mut all = BytesMut::new();
        let mut file = self.open(path);
        while let Some(data) = file.next().await? {
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }

    /// Brings a file to `target`, verified; until then nothing is there, or what was there before.
    pub async fn download(&self, path: &str, target: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref();
        let partial = target.with_file_name(format!(".xpstore-{}.partial", Uuid::new_v4()));
        let partial = Partial(partial);
        self.fetch(path, &partial.0).await?;
        fs::rename(&partial.0, target).await.map_err(|error| unwritable(target, error))
    }

    async fn fetch(&self, path: &str, target: &Path) -> Result<()> {
        let failed = |error| unwritable(target, error);
        let mut from = self.open(path);
        let mut file = fs::File::create(target).await.map_err(failed)?;
        while let Some(data) = from.next().await? {
            file.write_all(&data).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)
    }

    /// Brings all files and empty directories into a folder, which is made if it is not there. Each file is verified.
    pub async fn download_all(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let mut files = self.files();
        make_folder(folder).await?;
        while let Some(entry) = files.next().await? {
            let target = inside(folder, &entry.path)?;
            if entry.is_directory {
                make_folder(&target).await?;
                continue;
            }
            make_folder(target.parent().unwrap_or(folder)).await?;
            self.download(&entry.path, &target).await?;
            if entry.is_executable {
                make_executable(&target).await.map_err(|error| unwritable(&target, error))?;
            }
        }
        Ok(())
    }

    /// Points an alias to this version, wherever it pointed before. Returns the version as it is then.
    pub async fn set_alias(&self, alias: &str) -> Result<Self> {
        let request = SetArtifactAliasRequest { version_id: self.id().to_owned(), alias: alias.to_owned() };
        let answer = call!(self.connection, ArtifactServiceClient.set_artifact_alias, request)?;
        Ok(Self::new(self.connection.clone(), answer.version.unwrap_or_default()))
    }

    /// Deletes the version; the server can bring it back for a while.
    pub async fn delete(self) -> Result<()> {
        let request = DeleteArtifactVersionRequest { version_id: self.id().to_owned() };
        call!(self.connection, ArtifactServiceClient.delete_artifact_version, request)?;
        Ok(())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Version({:?}, {})", self.name(), self.number())
    }
}

/// What has arrived so far; removed if it does not become the file.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // it is not there when all went well
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::io(&path.display().to_string(), error)
}

async fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).await.map_err(|error| unwritable(folder, error))
}

#[cfg(unix)]
async fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = fs::metadata(path).await?.permissions();
    let mode = permissions.mode();
    permissions.set_mode(mode | ((mode & 0o444) >> 2)); // who may read it may run it
    fs::set_permissions(path, permissions).await
}

#[cfg(not(unix))]
async fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// The place of a path in a folder; refused where a server that lies would have it elsewhere.
fn inside(folder: &Path, path: &str) -> Result<PathBuf> {
    let is_sound = |part: &str| {
        let is_drive = part.as_bytes().get(1) == Some(&b':');
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']) && !is_drive
    };
    if path.split('/').all(is_sound) {
        return Ok(folder.join(path));
    }
    Err(Error::data_loss(format!("The server names a file {path:?}, which is no path inside an artifact.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in ["../a", "a/../b", "/a", "a//b", "", "a/", ".", "a\\b", "C:/a", "x/C:"] {
            assert!(inside(Path::new("folder"), path).is_err(), "{path}");
        }
        assert_eq!(inside(Path::new("folder"), "a/..b/c.d").unwrap(), Path::new("folder/a/..b/c.d"));
    }
}
