//! `user`: who is signed in, and what the browser keeps with us. Each route is one read, or one mutation.

#[cfg(test)]
mod tests;

use auth::access::Verifier;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use contract::Object;
use contract::user::{MetadataView, ProfileView, Settings, SettingsChange};
use domain::{Notice, UserId};
use http::StatusCode;
use runtime::http::{ApiError, Body, Session};
use seam::Clock;
use serde_json::json;
use store::{Error, Head, HeadPlan, Store};

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Users {
    /// Where users are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// For the state of an import, which expires.
    pub clock: Clock,
}

/// The routes.
pub fn router(users: Users) -> Router {
    Router::new()
        .route("/api/user/profile", get(profile))
        .route("/api/user/metadata", get(metadata).post(set_metadata))
        .with_state(users)
}

/// `GET /api/user/profile`. A missing user is a 404, the only one that the web app forgives.
async fn profile(State(users): State<Users>, Session { user, .. }: Session) -> Result<Response, ApiError> {
    match users.store.head(user).await {
        Ok(head) => Ok(Json(profile_view(user, head)).into_response()),
        Err(Error::NoUser) => Ok((StatusCode::NOT_FOUND, Json(json!({}))).into_response()),
        Err(error) => Err(error.into()),
    }
}

/// `GET /api/user/metadata`.
async fn metadata(
    State(users): State<Users>,
    Session { user, .. }: Session,
) -> Result<Json<MetadataView>, ApiError> {
    users.view(user).await
}

/// `POST /api/user/metadata`: changes the keys that are sent, and tells the user's other tabs.
async fn set_metadata(
    State(users): State<Users>,
    Session { user, .. }: Session,
    Body(Object(body)): Body<Object<SettingsChange>>,
) -> Result<Json<MetadataView>, ApiError> {
    let plan = |head: &Head| Ok::<_, ApiError>(change(&head.settings, body.clone()));
    users.store.mutate_head(user, users.clock.now(), plan).await?;
    users.view(user).await
}

impl Users {
    async fn view(&self, user: UserId) -> Result<Json<MetadataView>, ApiError> {
        let head = self.store.head(user).await?;
        Ok(Json(MetadataView::new(head.settings, head.google.as_ref(), self.clock.now())))
    }
}

fn change(stored: &Settings, change: SettingsChange) -> HeadPlan {
    let changed = change.apply(stored.clone());
    let mut plan = HeadPlan::default();
    if changed != *stored {
        plan.settings = Some(changed);
        plan.notices.push(Notice::Metadata);
    }
    plan
}

fn profile_view(user: UserId, head: Head) -> ProfileView {
    let profile = head.profile;
    ProfileView {
        id: user.to_string(),
        first_name: profile.first_name,
        last_name: profile.last_name,
        name: profile.name,
        email: profile.email,
        locale: profile.locale,
        user_id: user.to_string(),
        picture: profile.picture,
    }
}
