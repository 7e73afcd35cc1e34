//! The CloudFront distribution: one host in front of the HTTP API and the streaming function URL.
//!
//! Without a distribution in the template, the front door is the HTTP API itself.

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{Request, Response};

use super::function_url::FunctionUrl;
use super::http_api::HttpApi;
use crate::template::Template;
use crate::template::intrinsics::PhysicalIds;

/// Where a behaviour leads.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Api(Arc<HttpApi>),
    Url(Arc<FunctionUrl>),
}

impl Target {
    pub(crate) async fn handle(&self, request: Request<Body>, source_ip: String) -> Response<Body> {
        match self {
            Self::Api(api) => api.handle(request, source_ip).await,
            Self::Url(url) => url.handle_signed(request, source_ip).await,
        }
    }
}

/// Path patterns in order, then the default.
#[derive(Debug)]
pub(crate) struct Distribution {
    behaviours: Vec<(String, Target)>,
    default: Target,
}

impl Distribution {
    /// Interprets the template's distribution. `target` knows which of our own addresses an origin's domain name is.
    pub(crate) fn read(
        template: &Template,
        ids: &PhysicalIds,
        api: Target,
        target: impl Fn(&str) -> Option<Target>,
    ) -> anyhow::Result<Self> {
        let Some(id) = template.resources_of_type("AWS::CloudFront::Distribution")?.into_iter().next() else {
            return Ok(Self { behaviours: Vec::new(), default: api });
        };
        let origins = "DistributionConfig.Origins";
        let origin = |name: &str| -> anyhow::Result<Target> {
            for index in 0..template.count(id, origins)? {
                if template.property(id, &format!("{origins}.{index}.Id"), ids)? == name {
                    let domain = template.property(id, &format!("{origins}.{index}.DomainName"), ids)?;
                    let domain = domain.as_str().unwrap_or_default();
                    return target(domain).with_context(|| format!("no origin answers at {domain}"));
                }
            }
            bail!("the distribution has no origin `{name}`");
        };
        let text = |property: &str| -> anyhow::Result<String> {
            let value = template.property(id, &format!("DistributionConfig.{property}"), ids)?;
            Ok(value.as_str().with_context(|| format!("{property} is not text"))?.to_owned())
        };
        let default = origin(&text("DefaultCacheBehavior.TargetOriginId")?)?;
        let mut behaviours = Vec::new();
        for index in 0..template.count(id, "DistributionConfig.CacheBehaviors")? {
            let pattern = text(&format!("CacheBehaviors.{index}.PathPattern"))?;
            let target = origin(&text(&format!("CacheBehaviors.{index}.TargetOriginId"))?)?;
            behaviours.push((pattern, target));
        }
        Ok(Self { behaviours, default })
    }

    /// Where a path leads: the first pattern that matches, else the default.
    pub(crate) fn target(&self, path: &str) -> &Target {
        let found = self.behaviours.iter().find(|(pattern, _)| matches(pattern, path));
        found.map_or(&self.default, |(_, target)| target)
    }
}

/// CloudFront's patterns: `*` is any number of characters, `?` is one; the slash at the start is optional.
fn matches(pattern: &str, path: &str) -> bool {
    fn rest(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((b'*', after)), _) => {
                rest(after, path) || path.split_first().is_some_and(|(_, tail)| rest(pattern, tail))
            }
            (Some((b'?', after)), Some((_, tail))) => rest(after, tail),
            (Some((expected, after)), Some((found, tail))) => expected == found && rest(after, tail),
            _ => false,
        }
    }
    rest(pattern.trim_start_matches('/').as_bytes(), path.trim_start_matches('/').as_bytes())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_cloudfront() {
        assert!(matches("/api/events/stream", "/api/events/stream"));
        assert!(!matches("/api/events/stream", "/api/events/streams"));
        assert!(matches("api/*", "/api/a/b"));
        assert!(matches("/a?c*", "/abc"));
        assert!(!matches("/a?c", "/ac"));
    }
}
