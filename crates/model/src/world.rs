//! Time, randomness and the environment, handed in rather than reached for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since the Unix epoch, UTC. The unit that the stores keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch, as JWT claims carry them.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time `span` later; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// That long before this moment.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC, with microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move: for tests, drills and previews.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// When the source has none to give; the caller must then refuse what it was about to do.
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;

/// The operating system's generator, through aws-lc.
///
/// Identifiers (16 bytes and less) come from a stock of each thread, since a request needs one and the generator
/// takes longer than all else that is done for it. Longer values, secrets among them, are drawn each for itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

/// Random bytes in stock, and how many of them are left.
struct Stock {
    bytes: [u8; 1024],
    left: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; 1024], left: 0 }) };
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        let draw = |out: &mut [u8]| aws_lc_rs::rand::fill(out).map_err(|_| NoEntropy);
        if out.len() > 16 {
            return draw(out);
        }
        STOCK.with_borrow_mut(|stock| {
            if stock.left < out.len() {
                stock.left = 0;
                draw(&mut stock.bytes)?;
                stock.left = stock.bytes.len();
            }
            let from = stock.left - out.len();
            let taken = stock.bytes.get_mut(from..stock.left).ok_or(NoEntropy)?;
            out.copy_from_slice(taken);
            taken.fill(0);
            stock.left = from;
            Ok(())
        })
    }
}

/// Repeatable bytes from a seed: for tests and drills, never for a running server.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    block: AtomicU64,
}

impl SeededEntropy {
    /// The same seed gives the same bytes in the same order.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, block: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in out.chunks_mut(32) {
            let block = self.block.fetch_add(1, Ordering::SeqCst);
            let digest = crate::digest::sha256(&[&self.seed.to_be_bytes(), &block.to_be_bytes()]);
            for (to, from) in chunk.iter_mut().zip(digest) {
                *to = from;
            }
        }
        Ok(())
    }
}

/// The environment variables that the process was started with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own variables. Names or values that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of `name`; an empty value counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// Names only: values of the environment are often secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The outside world as the server sees it.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where unpredictable bytes come from.
    pub entropy: Arc<dyn Entropy>,
    /// The environment variables.
    pub environment: Arc<Environment>,
}

impl World {
    /// The machine's own clock, randomness and environment.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            environment: Arc::new(Environment::of_process()),
        }
    }

    /// A repeatable world: a clock that stands at `start`, seeded dice, no environment.
    #[must_use]
    pub fn still(start: Timestamp) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(start));
        let world = Self {
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
            environment: Arc::new(Environment::default()),
        };
        (world, clock)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        assert_eq!(Timestamp::from_micros(1_700_000_000_123_456).to_string(), "2023-11-14T22:13:20.123456Z");
    }

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let mut seen = std::collections::HashSet::new();
        for length in (0..4000).map(|n| 8 + n % 25) {
            let mut bytes = vec![0; length];
            SystemEntropy.fill(&mut bytes).unwrap();
            assert!(seen.insert(bytes[..8].to_vec()));
        }
    }

    #[test]
    fn time_never_wraps() {
        assert_eq!(Timestamp::from_micros(i64::MAX).plus(Duration::MAX).as_micros(), i64::MAX);
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn the_environment_never_prints_values() {
        let env: Environment = [("SECRET_KEY", "hunter2")].into_iter().collect();
        assert_eq!(format!("{env:?}"), r#"{"SECRET_KEY"}"#);
    }
}
