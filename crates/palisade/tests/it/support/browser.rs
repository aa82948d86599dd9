//! A real Chromium, driven as a person would.

use std::path::PathBuf;

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use super::process::{Program, axe, chromedriver};

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
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/screens");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.page.screenshot().await.unwrap()).unwrap();
    }

    /// Ends the browser.
    pub async fn close(self) {
        let _ = self.page.clone().close().await;
    }
}
