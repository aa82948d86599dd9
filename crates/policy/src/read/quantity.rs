//! Times, sizes and rates.

use std::time::Duration;

use serde_json::{Value, json};

use super::kind::{Context, Kind, Raw, Read, Wrong, text_of};

const DURATION: &str = "a time such as \"15m\", \"24h\" or \"1m30s\"";
const SIZE: &str = "a size such as \"10MiB\"";
const RATE: &str = "a rate such as \"5/minute\", \"200/day\" or \"5 per 15 minutes\"";

/// A number at the front, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// How many milliseconds a unit has.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ms" => 1,
        "s" | "second" | "seconds" | "sec" => 1_000,
        "m" | "minute" | "minutes" | "min" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return None,
    })
}

/// `1m30s`: each unit once, the larger first.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let (count, after) = number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (name, next) = after.split_at_checked(end)?;
        let each = unit(name).filter(|each| *each < last && name.len() <= 2)?;
        total = total.checked_add(count.checked_mul(each)?)?;
        (rest, last) = (next, each);
    }
    (last != u64::MAX).then(|| Duration::from_millis(total))
}

/// A time as it is written in a policy, for whoever asks for one elsewhere.
///
/// # Errors
/// What it should look like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| format!("write {DURATION}"))
}

/// A time as a policy has it: `90m` is `1h30m`.
#[must_use]
pub(crate) fn duration_text(time: Duration) -> String {
    let mut left = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Up to two days people count hours: 24h, 36h.
    let days = if left >= 2 * 86_400_000 { 86_400_000 } else { u64::MAX };
    for (name, each) in [("d", days), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if left >= each {
            text.push_str(&format!("{}{name}", left / each));
            left %= each;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

impl Kind for Duration {
    const EXAMPLE: &'static str = "15m";

    fn takes() -> String {
        DURATION.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, DURATION)?;
        duration(text).ok_or_else(|| {
            let help = match number(text) {
                Some((count, "")) => format!("say the unit: \"{count}s\", \"{count}m\" or \"{count}h\""),
                _ => "units are ms, s, m, h, d and w, the larger first: \"1m30s\"".into(),
            };
            vec![Wrong::malformed(format!("`{text}` is not {DURATION}"), help)]
        })
    }

    fn nothing() -> Self {
        Self::ZERO
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"})
    }

    fn measure(&self) -> Option<u64> {
        u64::try_from(self.as_millis()).ok()
    }
}

/// So many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub u64);

fn size(text: &str) -> Option<Size> {
    let (count, name) = number(text)?;
    let each = match name.trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(each).map(Size)
}

/// A size as a policy has it.
#[must_use]
pub(crate) fn size_text(bytes: u64) -> String {
    for (name, each) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= each && bytes.is_multiple_of(each) {
            return format!("{}{name}", bytes / each);
        }
    }
    format!("{bytes}B")
}

impl Kind for Size {
    const EXAMPLE: &'static str = "10MiB";

    fn takes() -> String {
        SIZE.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, SIZE)?;
        size(text).ok_or_else(|| {
            let help = match number(text) {
                Some((count, "")) => format!("say the unit: \"{count}B\", \"{count}KiB\" or \"{count}MiB\""),
                _ => "units are B, KiB, MiB and GiB (or kB, MB and GB): \"10MiB\"".into(),
            };
            vec![Wrong::malformed(format!("`{text}` is not {SIZE}"), help)]
        })
    }

    fn nothing() -> Self {
        Self(0)
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[0-9]+ ?(B|kB|KB|KiB|MB|MiB|GB|GiB)$"})
    }

    fn measure(&self) -> Option<u64> {
        Some(self.0)
    }
}

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// `5/minute`, `5 per 15 minutes`, `5/15m`: at least one request in at least one second.
fn rate(text: &str) -> Option<Window> {
    let (count, rest) = number(text.trim())?;
    let rest = rest.trim();
    let per = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per "))?.trim();
    let (times, name) = number(per).unwrap_or((1, per));
    let millis = times.checked_mul(unit(name.trim())?)?;
    let per = Duration::from_millis(millis);
    let in_bounds = per >= Duration::from_secs(1) && per <= Duration::from_secs(366 * 86_400);
    let count = u32::try_from(count).ok().filter(|count| *count > 0 && in_bounds)?;
    Some(Window { count, per })
}

impl Window {
    /// As a policy has it: `5/minute`.
    #[must_use]
    pub fn text(self) -> String {
        let named = [("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800)];
        match named.iter().find(|(_, secs)| Duration::from_secs(*secs) == self.per) {
            Some((name, _)) => format!("{}/{name}", self.count),
            None => format!("{}/{}", self.count, duration_text(self.per)),
        }
    }
}

impl Kind for Window {
    const EXAMPLE: &'static str = "5/minute";

    fn takes() -> String {
        RATE.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, RATE)?;
        rate(text).ok_or_else(|| {
            let help = "write how many, a slash and a time of at least a second: \"5/minute\"";
            vec![Wrong::malformed(format!("`{text}` is not {RATE}"), help)]
        })
    }

    fn nothing() -> Self {
        Self { count: 1, per: Duration::from_secs(1) }
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[0-9]+ ?(/|per ) ?[0-9]* ?[a-z]+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_written_and_nothing_else_does() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("2w"), Some(Duration::from_secs(14 * 86_400)));
        for bad in
            ["", "15", "m", "15 m", "30s1m", "1m1m", "-1s", "1.5h", "1minute", "99999999999999999999s", "5µs"]
        {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
        for millis in [0, 1, 999, 61_000, 5_400_000, 90_061_001] {
            let time = Duration::from_millis(millis);
            assert_eq!(duration(&duration_text(time)), Some(time));
        }
    }

    #[test]
    fn sizes_read_as_written_and_nothing_else_does() {
        assert_eq!(size("10MiB"), Some(Size(10 << 20)));
        assert_eq!(size("1kB"), Some(Size(1000)));
        assert_eq!(size_text(10 << 20), "10MiB");
        assert_eq!(size_text(1_500), "1500B");
        for bad in ["", "10", "MiB", "10Mb", "-1B", "99999999999GiB"] {
            assert_eq!(size(bad), None, "{bad:?}");
        }
    }

    // proves: LIMIT-1
    #[test]
    fn rates_read_in_each_spelling_and_never_as_none_at_all() {
        let window = |count, secs| Some(Window { count, per: Duration::from_secs(secs) });
        assert_eq!(rate("5/minute"), window(5, 60));
        assert_eq!(rate("200/day"), window(200, 86_400));
        assert_eq!(rate("5 per 15 minutes"), window(5, 900));
        assert_eq!(rate("5/15m"), window(5, 900));
        assert_eq!(rate("10 / 30s").map(Window::text).as_deref(), Some("10/30s"));
        for bad in
            ["", "5", "/minute", "0/minute", "5/0s", "5/fortnight", "5000000000/day", "5/1ms", "5 perminute"]
        {
            assert_eq!(rate(bad), None, "{bad:?}");
        }
    }
}
