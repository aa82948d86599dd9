//! 'Did you mean'.

/// The name that was probably meant, if one is near enough.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    let allowed = (written.chars().count() / 3).max(1);
    let known = known.into_iter();
    if written.chars().count() >= 3
        && let Some(whole) = known.clone().find(|name| name.to_ascii_lowercase().starts_with(&written))
    {
        return Some(whole);
    }
    known
        .map(|name| (strsim::osa_distance(&written, &name.to_ascii_lowercase().replace('-', "_")), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
