use std::time::Duration;

use tokio::time::{sleep, Instant};

use crate::error::{Error, Result};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
const LAST_ATTEMPT: Duration = Duration::from_millis(50);

/// Attempts at one thing, for as long as a call may take since the start or the last progress.
pub(crate) struct Attempts {
    timeout: Duration,
    end: Instant,
    backoff: Duration,
}

impl Attempts {
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, end: Instant::now() + timeout, backoff: FIRST_BACKOFF }
    }

    /// There was progress: the server may be away for the whole time again.
    pub fn renew(&mut self) {
        *self = Self::new(self.timeout);
    }

    /// What is left, enough for one attempt at least.
    pub fn remaining(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).max(LAST_ATTEMPT)
    }

    /// Waits before the next attempt. Returns the error of this one where another would not do better, or there is no time.
    pub async fn next(&mut self, error: Error) -> Result<()> {
        if error.is_passing() {
            self.again(error).await
        } else {
            Err(error)
        }
    }

    /// As `next`, for an error that another attempt mends whatever it is.
    pub async fn again(&mut self, error: Error) -> Result<()> {
        let spare = self.end.saturating_duration_since(Instant::now()).saturating_sub(LAST_ATTEMPT);
        if spare.is_zero() {
            return Err(error);
        }
        let wait = self.backoff.max(error.retry_after().unwrap_or_default());
        sleep(wait.mul_f64(0.5 + 0.5 * fraction()).min(spare)).await;
        self.backoff = LONGEST_BACKOFF.min(2 * self.backoff);
        Ok(())
    }
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn end_with_the_time_and_with_what_waiting_does_not_mend() {
        let mut attempts = Attempts::new(Duration::from_millis(300));
        let mut count = 0;
        while attempts.next(Error::unavailable("away")).await.is_ok() {
            count += 1;
            assert!(count < 100);
        }
        assert!(count >= 2);
        attempts.renew();
        assert!(attempts.next(Error::invalid("name", "", "cure")).await.is_err());
        assert!(attempts.next(Error::unavailable("away")).await.is_ok());
    }
}
