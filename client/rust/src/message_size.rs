use std::time::Duration;

pub(crate) const FIRST_BYTES: usize = 64 << 10;
pub(crate) const MOST_BYTES: usize = 1 << 20;
const GROWN_BYTES: usize = 4 << 20;
const QUICK: Duration = Duration::from_millis(500);

/// How large the messages of an upload are: only whole ones count when a line breaks, and a thin one breaks often. They begin
/// small and grow where they get through.
pub(crate) struct MessageSize {
    pub bytes: usize,
    since: usize,
}

impl MessageSize {
    pub fn new() -> Self {
        Self { bytes: FIRST_BYTES, since: 0 }
    }

    /// So many bytes of one message went through in this time.
    pub fn sent(&mut self, size: usize, took: Duration) {
        self.since += size;
        if took > QUICK {
            *self = Self::new();
        } else if self.since >= GROWN_BYTES && self.bytes < MOST_BYTES {
            *self = Self { bytes: 2 * self.bytes, since: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(size: &mut MessageSize, total: usize, took: Duration) {
        let mut sent = 0;
        while sent < total {
            sent += size.bytes;
            size.sent(size.bytes, took);
        }
    }

    #[test]
    fn grows_where_messages_get_through_and_falls_where_they_take_long() {
        let mut size = MessageSize::new();
        send(&mut size, (4 << 20) - 1, Duration::ZERO);
        assert_eq!(size.bytes, 128 << 10);
        send(&mut size, 100 << 20, Duration::ZERO);
        assert_eq!(size.bytes, MOST_BYTES);
        size.sent(MOST_BYTES, 2 * QUICK);
        assert_eq!(size.bytes, FIRST_BYTES);
        send(&mut size, 10 << 20, 2 * QUICK);
        assert_eq!(size.bytes, FIRST_BYTES);
    }
}
