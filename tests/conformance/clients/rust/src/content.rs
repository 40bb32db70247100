//! Content of the conformance suite: parts of BLAKE3's extendable output of seeds.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{sleep, Sleep};

pub fn make(parts: &Value) -> Vec<u8> {
    let mut content = Vec::new();
    for part in parts.as_array().expect("content is a list") {
        let size = part["size_bytes"].as_u64().expect("size_bytes") as usize;
        let start = content.len();
        content.resize(start + size, 0);
        let seed = part["seed"].as_str().expect("seed");
        if seed != "zeros" {
            blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut content[start..]);
        }
    }
    content
}

/// Bytes of which those after `after` take their time.
pub struct Paused {
    pub content: Vec<u8>,
    pub position: usize,
    pub after: usize,
    pub pause: Option<Pin<Box<Sleep>>>,
}

impl Paused {
    pub fn new(content: Vec<u8>, position: usize, after: usize, seconds: f64) -> Self {
        let pause = (position < after).then(|| Box::pin(sleep(Duration::from_secs_f64(seconds))));
        Self { content, position, after, pause }
    }
}

impl AsyncRead for Paused {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.position == me.after {
            if let Some(pause) = &mut me.pause {
                ready!(pause.as_mut().poll(context));
                me.pause = None;
            }
        }
        let end = if me.pause.is_some() { me.after } else { me.content.len() };
        let count = (end - me.position).min(buffer.remaining());
        buffer.put_slice(&me.content[me.position..me.position + count]);
        me.position += count;
        Poll::Ready(Ok(()))
    }
}
