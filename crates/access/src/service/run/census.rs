//! Which kinds of password hashes the users have, so that an unknown name costs what a known one does (ID-1).

use std::time::Duration;

use palisade_store::StoreError;

use crate::access::Access;
use crate::password::Census;

/// How often hashes are counted. They change only as people sign in.
const SPAN: Duration = Duration::from_secs(600);

/// Hashes read at once, and how often.
const PAGE: u32 = 1000;
const PAGES: usize = 1000;

impl Access {
    /// Counts again and again. Until the first count is done, an unknown name costs what the policy's own way does.
    pub(crate) async fn keep_counting(&self) {
        let mut tick = super::every(SPAN);
        loop {
            tick.tick().await;
            if let Err(error) = self.count_hashes().await {
                tracing::warn!(%error, "the kinds of password hashes could not be counted: later");
            }
        }
    }

    async fn count_hashes(&self) -> Result<(), StoreError> {
        let (mut census, mut after) = (Census::new(), None);
        for _ in 0..PAGES {
            let page = self.store().password_hashes(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            self.0.passwords.count(page.iter().map(|(_, hash)| hash.as_str()), &mut census);
        }
        self.0.passwords.follow(&census);
        Ok(())
    }
}
