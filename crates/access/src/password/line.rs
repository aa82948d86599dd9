//! The line before hashes that take much memory: one is verified at a time.
//!
//! Whoever waits here holds no thread of the pool and no place in it, so that others sign in meanwhile; and so many
//! may wait, no more.

use std::sync::Arc;
use std::time::Duration;

use palisade_model::{Denial, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// As long as one may take, roughly.
const ONE: Duration = Duration::from_secs(2);

/// The line.
pub(super) struct Line {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
    room: u32,
}

/// One's turn; the next one's comes when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Line {
    /// `waiting` may wait.
    pub(super) fn new(waiting: usize) -> Self {
        let room = waiting.saturating_add(1).min(Semaphore::MAX_PERMITS);
        Self {
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(room)),
            room: u32::try_from(room).unwrap_or(u32::MAX),
        }
    }

    /// Waits for a turn. Whoever gives up waiting leaves the line.
    ///
    /// # Errors
    /// [`Denial::HashingBusy`] at once when too many wait.
    pub(super) async fn turn(&self) -> Result<Turn, Refusal> {
        let busy = || {
            let wait = ONE.saturating_mul(self.room).clamp(ONE, Duration::from_secs(60));
            Refusal::new(Denial::HashingBusy, "too many heavy hashes wait").retry_after(wait)
        };
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| busy())?;
        Ok(Turn { _turn: turn, _place: place })
    }

    /// So many more may wait.
    #[cfg(test)]
    pub(super) fn free_places(&self) -> usize {
        self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-3
    #[tokio::test]
    async fn one_has_its_turn_some_wait_and_the_rest_is_told_at_once() {
        let line = Line::new(2);
        let first = line.turn().await.unwrap();
        let (mut second, mut third) = (Box::pin(line.turn()), Box::pin(line.turn()));
        for waiting in [&mut second, &mut third] {
            assert!(tokio::time::timeout(Duration::from_millis(5), waiting).await.is_err());
        }
        let refusal = line.turn().await.unwrap_err();
        assert_eq!((refusal.denial, refusal.retry_after), (Denial::HashingBusy, Some(ONE * 3)));
        drop(first);
        let turn = second.await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(5), &mut third).await.is_err());
        drop(third);
        let mut fourth = Box::pin(line.turn());
        assert!(
            tokio::time::timeout(Duration::from_millis(5), &mut fourth).await.is_err(),
            "its place is free"
        );
        drop(turn);
        fourth.await.unwrap();
    }
}
