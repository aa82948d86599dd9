//! Roles that follow the groups of a certified provider (ID-6).

use http::StatusCode;
use serde_json::{Value, json};

use super::World;

const ROLES: &str = "[identify.oidc.company.roles]\nmap = { \"parts-admins\" = \"admin\" }\n";

fn ada(groups: &Value) -> Value {
    json!({"sub": "ada-1", "email": "ada@example.com", "email_verified": true, "groups": groups})
}

// By the book, too: then groups are told at the user info endpoint alone.
// proves: ID-6, ID-8
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_group_loses_the_role_in_every_session() {
    for standard in [false, true] {
        let world = World::start(&format!("default_roles = [\"user\"]\n{ROLES}")).await;
        world.begin(json!({"standard": standard})).await;
        world.account(ada(&json!(["parts-admins", "staff"]))).await;
        let mut first = world.person();
        assert_eq!(first.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
        assert_eq!(first.me().await["roles"], json!(["admin", "user"]));
        assert_eq!(first.here.get("/api/v1/admin/users").await.status, StatusCode::OK);
        let cookies = first.here.cookies();

        for groups in
            [json!({"parts-admins": 1}), json!(["parts-admins"]), json!(["staff", 7]), json!("parts-admins")]
        {
            let admin = groups == json!(["parts-admins"]) || groups.is_string();
            world.account(ada(&groups)).await;
            let mut again = world.person();
            assert_eq!(again.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
            let roles = if admin { json!(["admin", "user"]) } else { json!(["user"]) };
            assert_eq!((&again.me().await["roles"], &first.me().await["roles"]), (&roles, &roles));
            let status = if admin { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(first.here.get("/api/v1/admin/users").await.status, status);
        }
        assert_ne!(first.here.cookies(), cookies, "another id at any change of rights");
    }
}
