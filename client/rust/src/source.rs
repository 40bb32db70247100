use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt};

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type Opened = Pin<Box<dyn Future<Output = io::Result<Reader>> + Send>>;

/// Bytes that can be read again from any place, as an upload does that goes on after a break.
#[derive(Clone)]
pub struct Source(Arc<dyn Fn(u64) -> Opened + Send + Sync>);

impl Source {
    /// The bytes that a function opens at an offset.
    pub fn new<F, A, R>(open: F) -> Self
    where
        F: Fn(u64) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<R>> + Send + 'static,
        R: AsyncRead + Send + 'static,
    {
        Self(Arc::new(move |offset| {
            let opening = open(offset);
            Box::pin(async move { Ok(Box::pin(opening.await?) as Reader) })
        }))
    }

    /// The bytes of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(move |offset| {
            let path = path.clone();
            async move {
                let mut file = File::open(path).await?;
                file.seek(io::SeekFrom::Start(offset)).await?;
                Ok(file)
            }
        })
    }

    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(move |offset| {
            let rest = bytes.slice((offset as usize).min(bytes.len())..);
            async move { Ok(io::Cursor::new(rest)) }
        })
    }

    pub(crate) async fn open(&self, offset: u64) -> io::Result<Reader> {
        (self.0)(offset).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn opens_at_any_offset() {
        let path = std::env::temp_dir().join(format!("xpstore-source-{}", std::process::id()));
        std::fs::write(&path, [1, 2, 3, 4, 5]).unwrap();
        for source in [Source::file(&path), Source::bytes(vec![1, 2, 3, 4, 5])] {
            for (offset, rest) in [(3, vec![4, 5]), (5, vec![])] {
                let mut found = Vec::new();
                source.open(offset).await.unwrap().read_to_end(&mut found).await.unwrap();
                assert_eq!(found, rest);
            }
        }
        std::fs::remove_file(path).unwrap();
        assert!(Source::file("no such file").open(0).await.is_err());
    }
}
