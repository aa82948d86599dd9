//! A real Chromium, driven as a person would.

use std::path::PathBuf;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use serde_json::{Value, json};

use super::process::{Program, axe, chromedriver};

/// A command that the client has no word for: its path below the session, and what it says.
#[derive(Debug)]
pub struct Command(pub &'static str, pub Value);

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

/// How people see a page: a name, the width in CSS pixels, and what they prefer.
const VIEWS: [(&str, u32, &str); 4] = [
    ("wide-light", 1280, "light"),
    ("wide-dark", 1280, "dark"),
    ("narrow-light", 320, "light"),
    ("narrow-dark", 320, "dark"),
];

/// One browser with an empty profile; closed when dropped.
pub struct Browser {
    /// The driver's client, for what the helpers here do not cover.
    pub page: Client,
    _driver: Program,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium without a window.
    pub async fn start() -> Self {
        let driver = chromedriver();
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = [
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1000,900",
        ]
        .map(str::to_owned)
        .to_vec();
        // Chromium's own sandbox does not start for root.
        arguments.push("--no-sandbox".into());
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({"goog:chromeOptions": {"args": arguments}});
        let page = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&driver.url())
            .await
            .expect("chromium starts");
        Self { page, _driver: driver, _profile: profile }
    }

    /// Goes to an address and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap();
    }

    /// What a person can read, once the page is there.
    pub async fn text(&self) -> String {
        for _ in 0..100 {
            let text = self.page.execute("return document.body && document.body.innerText", vec![]).await;
            if let Ok(serde_json::Value::String(text)) = text
                && !text.is_empty()
            {
                return text;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the page stays empty");
    }

    /// The path of the page that is shown.
    pub async fn path(&self) -> String {
        self.page.current_url().await.unwrap().path().to_owned()
    }

    /// Types into the field of that name.
    pub async fn fill(&self, name: &str, value: &str) {
        let field = self.page.find(Locator::Css(&format!("[name={name}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// Presses what the selector finds, and waits for the page that follows.
    pub async fn press(&self, selector: &str) {
        self.page.execute("window.formerPage = true", vec![]).await.unwrap();
        self.page.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
        let arrived = "return !window.formerPage && document.readyState === 'complete'";
        for _ in 0..200 {
            if self.page.execute(arrived, vec![]).await.is_ok_and(|yes| yes == true) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no page followed after pressing {selector}");
    }

    /// What an accessibility checker finds wrong with the page, one line each.
    pub async fn accessibility_faults(&self) -> Vec<String> {
        let script = format!(
            "{}; const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => v.id + ': ' + v.help)))",
            axe()
        );
        let found = self.page.execute_async(&script, vec![]).await.unwrap();
        found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// Keeps a picture of the page below `target/screens`, for people to look at.
    pub async fn picture(&self, name: &str) {
        keep(name, &self.page.screenshot().await.unwrap());
    }

    /// Looks at the page as people see it, on wide and narrow screens, by day and by night: what an accessibility
    /// checker finds, and what is wider than the screen. Keeps a picture of each.
    pub async fn look(&self, name: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for (view, width, scheme) in VIEWS {
            self.emulate(width, &[("prefers-color-scheme", scheme)]).await;
            faults.extend(
                self.accessibility_faults().await.iter().map(|fault| format!("{name} {view}: {fault}")),
            );
            let sizes = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
            let sizes = self.page.execute(sizes, vec![]).await.unwrap();
            if sizes[0].as_u64() > sizes[1].as_u64() {
                faults.push(format!("{name} {view}: wider than the screen: {sizes}"));
            }
            self.whole_picture(&format!("{name}-{view}")).await;
        }
        self.emulate(1280, &[]).await;
        faults
    }

    /// Another screen, and other preferences (CSS Media Queries level 5).
    pub async fn emulate(&self, width: u32, features: &[(&str, &str)]) {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// A picture of the whole page, however long it is.
    pub async fn whole_picture(&self, name: &str) {
        let wish = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.devtools("Page.captureScreenshot", wish).await;
        let picture = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        keep(name, &picture);
    }

    /// A picture of the page as a printer gets it.
    pub async fn print(&self, name: &str) {
        self.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
        self.whole_picture(name).await;
        self.devtools("Emulation.setEmulatedMedia", json!({ "media": "" })).await;
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.page.issue_cmd(Command("goog/cdp/execute", body)).await.unwrap()
    }

    /// Ends the browser.
    pub async fn close(self) {
        let _ = self.page.clone().close().await;
    }
}

fn keep(name: &str, picture: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/screens");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}
