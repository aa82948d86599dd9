//! What to try, on one page.

use std::net::SocketAddr;
use std::path::Path;

use crate::compose::Running;

/// Prints the page to standard output.
pub(super) fn print(running: &Running, application: SocketAddr, folder: &Path) {
    println!("{}", page(running.address, application, running.first_link.as_deref(), folder));
}

fn page(front: SocketAddr, bare: SocketAddr, link: Option<&str>, folder: &Path) -> String {
    let link = link.unwrap_or("(there is an administrator already)");
    let folder = folder.display();
    format!(
        r#"
Palisade demo: the same application twice.

  bare              http://{bare}     anybody reads, writes and deletes
  behind Palisade   http://{front}     by a policy:
                    {folder}/palisade.toml

In the browser
  1. Open this link once. It makes you the administrator; choose a password:
     {link}
  2. Open http://{front}/ and pin a notice. The application's forms are unchanged:
     their CSRF field is written in as the page streams through.
  3. In a private window, register at http://{front}/auth/register: you can read the board, but not
     write to it, and http://{front}/admin says no.
  4. http://{front}/account lists your sessions. End one, and its next request is refused.

On the command line
  Anybody deletes at the bare application; behind Palisade, nobody unknown even reads:
    curl -i -X DELETE http://{bare}/api/notices/1
    curl -i http://{front}/api/notices

  The bare application believes a forged identity; behind Palisade it never arrives:
    curl -H 'Remote-User: admin' http://{bare}/api/whoami
    curl -H 'Remote-User: admin' http://{front}/api/whoami

  Ambiguous requests are refused at the door:
    curl -i --path-as-is http://{front}/files/..%2fadmin
    curl -i -H 'Host: evil.example' http://{front}/

  Headers: what the application tells about itself, and what is left of it:
    curl -sI http://{bare}/board.css
    curl -sI http://{front}/board.css

  Guess passwords, and be stopped at the sixth:
    for i in 1 2 3 4 5 6; do curl -so /dev/null -w '%{{http_code}}\n' \
      http://{front}/api/v1/auth/login -H 'Content-Type: application/json' \
      -d '{{"login":"admin","password":"guess '$i'"}}'; done

  Health, and one line for each refusal above:
    curl -s http://{front}/readyz
    tail {folder}/events.log

Ctrl-C stops the demo and removes its folder.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_both_addresses_and_the_link() {
        let front = "127.0.0.1:65533".parse().unwrap();
        let bare = "127.0.0.1:65534".parse().unwrap();
        let folder = format!("/tmp/palisade-demo-{}", "0".repeat(32));
        let page = page(front, bare, Some("http://127.0.0.1:65533/auth/link/x"), Path::new(&folder));
        assert!(page.contains("curl -i -X DELETE http://127.0.0.1:65534/api/notices/1"));
        assert!(page.contains("\n     http://127.0.0.1:65533/auth/link/x\n"));
        assert!(page.lines().count() < 50, "one page");
        assert!(page.lines().all(|line| line.len() <= 110), "no line wraps");
    }
}
