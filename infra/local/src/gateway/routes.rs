//! The HTTP API's routes and which of them a request takes.
//!
//! As API Gateway documents it: a full match first (a literal segment before a `{variable}`), then the longest route
//! with a greedy variable, then `$default`; among equals the route that names the method before `ANY`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Upper case, or `ANY`.
    pub(crate) method: String,
    /// As in the template.
    pub(crate) path: String,
    /// Name of the function it leads to.
    pub(crate) function: String,
}

/// A route that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matched<'r> {
    pub(crate) route: &'r Route,
    /// Decoded path variables.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The routes of one API.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Vec<Route>);

impl Route {
    /// As API Gateway names it, e.g. `GET /api/event/{id}`.
    pub(crate) fn key(&self) -> String {
        if self.path == "$default" { self.path.clone() } else { format!("{} {}", self.method, self.path) }
    }

    fn takes_method(&self, method: &str) -> bool {
        self.path == "$default" || self.method == "ANY" || self.method == method
    }

    fn matches(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        if self.path == "$default" {
            return Some(parameters);
        }
        let mut rest = path.trim_start_matches('/').split('/');
        for segment in self.path.trim_start_matches('/').split('/') {
            let variable = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            match variable.map(|name| (name, name.strip_suffix('+'))) {
                Some((_, Some(name))) => {
                    let remainder: Vec<_> = rest.collect();
                    let is_empty = remainder.iter().all(|part| part.is_empty());
                    parameters.insert(name.to_owned(), decoded(&remainder.join("/")));
                    return (!is_empty).then_some(parameters);
                }
                Some((name, None)) => {
                    let value = rest.next().filter(|value| !value.is_empty())?;
                    parameters.insert(name.to_owned(), decoded(value));
                }
                None => {
                    rest.next().filter(|value| decoded(value) == segment)?;
                }
            }
        }
        rest.next().is_none().then_some(parameters)
    }

    /// Smaller is more specific.
    fn rank(&self) -> (bool, bool, Reverse<usize>, usize, bool) {
        let is_default = self.path == "$default";
        let segments = self.path.split('/');
        let variables = segments.clone().filter(|segment| segment.starts_with('{')).count();
        let is_greedy = self.path.ends_with("+}");
        (is_default, is_greedy, Reverse(segments.count()), variables, self.method == "ANY")
    }
}

impl Routes {
    pub(crate) fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(Route::rank);
        Self(routes)
    }

    /// The route that a request takes, if any. `path` is as it came, still encoded.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let candidates = self.0.iter().filter(|route| route.takes_method(method));
        candidates.filter_map(|route| Some(Matched { route, parameters: route.matches(path)? })).next()
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |method: &str, path: &str| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            function: "f".to_owned(),
        };
        Routes::new(vec![
            route("ANY", "$default"),
            route("OPTIONS", "/{proxy+}"),
            route("ANY", "/api/{rest+}"),
            route("GET", "/api/event/{id}"),
            route("ANY", "/api/event/{id}"),
            route("GET", "/api/event"),
            route("DELETE", "/api/event/deleteMany"),
        ])
    }

    fn found(method: &str, path: &str) -> String {
        routes().find(method, path).map(|matched| matched.route.key()).unwrap_or_default()
    }

    #[test]
    fn the_most_specific_route_wins() {
        assert_eq!(found("GET", "/api/event"), "GET /api/event");
        assert_eq!(found("GET", "/api/event/17"), "GET /api/event/{id}");
        assert_eq!(found("PUT", "/api/event/17"), "ANY /api/event/{id}");
        assert_eq!(found("DELETE", "/api/event/deleteMany"), "DELETE /api/event/deleteMany");
        assert_eq!(found("GET", "/api/event/deleteMany"), "GET /api/event/{id}");
        assert_eq!(found("GET", "/api/other/deep"), "ANY /api/{rest+}");
        assert_eq!(found("OPTIONS", "/elsewhere"), "OPTIONS /{proxy+}");
        assert_eq!(found("GET", "/"), "$default");
    }

    #[test]
    fn a_variable_is_one_decoded_segment_and_never_empty() {
        let routes = routes();
        let matched = routes.find("GET", "/api/event/a%20b").unwrap();
        assert_eq!(matched.parameters["id"], "a b");
        assert_eq!(found("GET", "/api/event/"), "ANY /api/{rest+}");
    }

    #[test]
    fn a_greedy_variable_takes_the_rest() {
        let routes = routes();
        let matched = routes.find("GET", "/api/a/b/c").unwrap();
        assert_eq!(matched.parameters["rest"], "a/b/c");
    }

    #[test]
    fn without_a_default_route_an_unknown_path_matches_nothing() {
        let routes = Routes::new(vec![Route {
            method: "GET".to_owned(),
            path: "/a".to_owned(),
            function: "f".to_owned(),
        }]);
        assert_eq!(routes.find("GET", "/b"), None);
        assert_eq!(routes.find("HEAD", "/a"), None);
    }
}
