//! What a user agent says of itself, in words that people recognise their own device by.

/// Browser and system, as `Firefox on Linux`. A guess for display; nothing is decided by it.
#[must_use]
pub fn describe(agent: Option<&str>) -> String {
    let Some(agent) = agent.filter(|text| !text.is_empty()) else { return "Unknown device".to_owned() };
    let find = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    // Order matters: nearly every browser also claims to be Chrome, Safari or both.
    let browser = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn common_agents_read_well() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1";
        assert_eq!(describe(Some(chrome)), "Chrome on Linux");
        assert_eq!(describe(Some(iphone)), "Safari on iPhone");
        assert_eq!(describe(Some("curl/8.1")), "curl");
        assert_eq!(describe(Some("<b>bot</b>")), "<b>bot</b>");
        assert_eq!(describe(None), "Unknown device");
    }
}
