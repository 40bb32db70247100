use std::io;

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::source::Source;

/// BLAKE3 of all that a source has, and how much that is.
pub(crate) async fn digest_of(source: &Source) -> io::Result<(Bytes, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut reader = source.open(0).await?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let size = reader.read(&mut buffer).await?;
        if size == 0 {
            return Ok((to_bytes(&hasher), hasher.count()));
        }
        hasher.update(&buffer[..size]);
    }
}

/// The 32 bytes of a digest.
pub(crate) fn to_bytes(hasher: &blake3::Hasher) -> Bytes {
    Bytes::copy_from_slice(hasher.finalize().as_bytes())
}

/// In small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_that_of_the_vectors() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol-vectors.json")).unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let chunks = vectors["chunks"].as_array().unwrap();
        assert!(chunks.len() >= 2);
        for chunk in chunks {
            let digits = chunk["raw_hex"].as_str().unwrap();
            let raw: Vec<u8> =
                (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect();
            let (digest, size) = digest_of(&Source::bytes(raw)).await.unwrap();
            assert_eq!(hex(&digest), chunk["blake3"].as_str().unwrap());
            assert_eq!(size as usize * 2, digits.len());
        }
    }

    #[test]
    fn generated_code_is_of_these_protos() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("../../proto/xpstore/v1");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "proto"));
        files.sort();
        let mut hasher = blake3::Hasher::new();
        for path in files {
            hasher.update(&std::fs::read(path).unwrap());
        }
        let made = std::fs::read_to_string(root.join("src/v1.rs")).unwrap();
        assert!(
            made.lines().next().unwrap().ends_with(hasher.finalize().to_hex().as_str()),
            "run cargo run --manifest-path client/rust/gen/Cargo.toml"
        );
    }
}
