//! `config`: everything that needs no data.
//!
//! It tells the web app what this deployment can do, answers every CORS preflight (half of all requests of a browser, so they go
//! to the smallest function) and every path that no other function has.

use axum::routing::get;
use axum::{Json, Router, extract::State};
use serde_json::{Value, json};

/// What the function knows.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Whether this deployment has a Google client.
    pub is_google_configured: bool,
}

/// The routes. Preflights and unknown paths are answered by what every router has around it.
pub fn router(config: Config) -> Router {
    Router::new().route("/api/config", get(configuration)).with_state(config)
}

async fn configuration(State(config): State<Config>) -> Json<Value> {
    Json(json!({ "google": { "isConfigured": config.is_google_configured } }))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode, header};
    use http_body_util::BodyExt;
    use runtime::http::{SameSite, Web, service};
    use tower::ServiceExt;

    use super::*;

    const WEB: &str = "http://localhost:9080";

    async fn send(request: Request<Body>) -> (http::response::Parts, String) {
        let web = Web::new(WEB.parse().unwrap(), [], SameSite::Lax);
        let router = service(router(Config { is_google_configured: true }), &web);
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn request(method: &str, path: &str, origin: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::ORIGIN, origin)
    }

    #[tokio::test]
    async fn the_web_app_learns_whether_google_is_configured() {
        let (parts, body) = send(request("GET", "/api/config", WEB).body(Body::empty()).unwrap()).await;
        assert_eq!((parts.status, body.as_str()), (StatusCode::OK, r#"{"google":{"isConfigured":true}}"#));
        assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], WEB);
        assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }

    #[tokio::test]
    async fn a_preflight_of_any_path_is_answered_with_204() {
        let preflight = request("OPTIONS", "/api/event/66aa01bb02cc03dd04ee05ff", WEB)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,rid,st-auth-mode")
            .body(Body::empty())
            .unwrap();
        let (parts, body) = send(preflight).await;
        assert_eq!((parts.status, body.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,HEAD,PUT,PATCH,POST,DELETE");
        let allowed = "content-type,rid,fdi-version,st-auth-mode,anti-csrf,authorization";
        assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], allowed);
        assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], WEB);
    }

    #[tokio::test]
    async fn a_foreign_origin_is_not_allowed() {
        let (parts, _) =
            send(request("GET", "/api/config", "https://evil.example").body(Body::empty()).unwrap()).await;
        assert!(!parts.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[tokio::test]
    async fn an_unknown_path_or_method_is_a_404_in_json_that_a_browser_may_read() {
        for (method, path) in [("GET", "/api/nothing"), ("DELETE", "/api/config"), ("GET", "/")] {
            let (parts, body) = send(request(method, path, WEB).body(Body::empty()).unwrap()).await;
            assert_eq!(parts.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(body, r#"{"result":"Not found","message":"There is no such route"}"#);
            assert_eq!(parts.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], WEB);
        }
    }
}
