//! How a route's paths become its application's.

use super::{Route, Target};
use crate::section::upstream::Upstream;

/// The application's base path and the route's prefix in front, the route's `strip` taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rewrite {
    /// Base path and prefix, without a slash at the end.
    pub front: String,
    /// Taken off the front of the path, if it is there.
    pub strip: Option<String>,
}

impl Rewrite {
    /// Of a route that leads to an application; with that application's index.
    #[must_use]
    pub fn of(route: &Route, upstreams: &[Upstream]) -> Option<(usize, Self)> {
        let Target::Upstream { index, strip, prefix } = &route.target else { return None };
        let base = &upstreams.get(*index)?.base_path;
        let front = format!("{base}{}", prefix.as_deref().unwrap_or_default());
        Some((*index, Self { front: front.trim_end_matches('/').to_owned(), strip: strip.clone() }))
    }

    /// Whether paths stay as they are.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.front.is_empty() && self.strip.is_none()
    }

    /// Appends what the application reads in place of `path` to `out`.
    pub fn write(&self, path: &str, out: &mut String) {
        let rest = self.strip.as_deref().map_or(path, |strip| strip_front(path, strip));
        out.push_str(&self.front);
        if !rest.starts_with('/') {
            out.push('/');
        }
        out.push_str(rest);
    }

    /// The paths that become `read`, at most two: with what is taken off, and without it.
    pub(crate) fn sources(&self, read: &str) -> impl Iterator<Item = String> + use<> {
        let rest = read.strip_prefix(self.front.as_str()).filter(|rest| rest.starts_with('/'));
        let stripped = rest.zip(self.strip.as_deref()).map(|(rest, strip)| format!("{strip}{rest}"));
        let plain =
            rest.filter(|rest| self.strip.as_deref().is_none_or(|strip| strip_front(rest, strip) == *rest));
        let plain = plain.map(str::to_owned);
        stripped.into_iter().chain(plain)
    }
}

/// Whole segments only: `/app` comes off `/app/x` and not off `/apple`.
fn strip_front<'a>(path: &'a str, strip: &str) -> &'a str {
    let strip = strip.strip_suffix('/').unwrap_or(strip);
    match path.strip_prefix(strip) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(front: &str, strip: Option<&str>) -> Rewrite {
        Rewrite { front: front.to_owned(), strip: strip.map(str::to_owned) }
    }

    #[test]
    fn sources_are_just_the_paths_that_lead_there() {
        let paths = ["/", "/a", "/a/b", "/app", "/app/", "/app/a", "/apple", "/v2/a", "/v2", "/app/app/a"];
        for one in [
            rewrite("", None),
            rewrite("", Some("/app")),
            rewrite("/v2", None),
            rewrite("/v2", Some("/app")),
            rewrite("/app", Some("/app")),
        ] {
            for read in paths {
                let sources: Vec<String> = one.sources(read).collect();
                for path in paths {
                    let mut becomes = String::new();
                    one.write(path, &mut becomes);
                    // `/app` and `/app/` become the same.
                    let named = sources
                        .iter()
                        .any(|source| source.trim_end_matches('/') == path.trim_end_matches('/'));
                    assert!(becomes != read || named, "{one:?}: {path} becomes {read}");
                }
                for source in sources {
                    let mut becomes = String::new();
                    one.write(&source, &mut becomes);
                    assert_eq!(becomes, read, "{one:?}: {source}");
                }
            }
        }
    }
}
