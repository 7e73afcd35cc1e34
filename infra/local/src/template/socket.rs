//! The template's WebSocket API: a resource of SAM's (`AWS::Serverless::WebSocketApi`), or API Gateway's own four.

use std::collections::BTreeMap;

use serde_json::Value;

use super::intrinsics::PhysicalIds;
use super::{Template, TemplateError};

const SAM: &str = "AWS::Serverless::WebSocketApi";
const API: &str = "AWS::ApiGatewayV2::Api";
const INTEGRATION: &str = "AWS::ApiGatewayV2::Integration";
const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const STAGE: &str = "AWS::ApiGatewayV2::Stage";
/// SAM's name for a stage that has none.
const SAM_STAGE: &str = "default";

/// A WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSpec {
    /// Path of its only stage, e.g. `live`.
    pub stage: String,
    /// What of a message names its route, e.g. `$request.body.type`.
    pub selection: String,
    /// The routes by their keys: `$connect`, `$disconnect`, `$default`, and what messages name.
    pub routes: BTreeMap<String, SocketRoute>,
}

/// A route of a WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketRoute {
    /// Name of the function it leads to.
    pub function: String,
    /// Whether the body of the function's answer is sent to the client.
    pub has_response: bool,
}

impl Template {
    /// Logical id of the WebSocket API, if there is one.
    ///
    /// # Errors
    /// If there are several, or one can't be read.
    pub fn socket_id(&self) -> Result<Option<&str>, TemplateError> {
        let mut ids = self.resources_of_type(SAM)?;
        for id in self.resources_of_type(API)? {
            if self.property(id, "ProtocolType", &PhysicalIds::default())? == "WEBSOCKET" {
                ids.push(id);
            }
        }
        match ids[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            [_, second, ..] => Err(TemplateError::invalid(
                format!("Resources.{second}"),
                "the local cloud has room for one WebSocket API",
            )),
        }
    }

    /// Gives the resources around a WebSocket API the physical ids that its own properties name: integrations are called as in the
    /// template, and a stage is its path.
    ///
    /// # Errors
    /// If a stage's name can't be evaluated.
    pub fn name_socket_parts(&self, ids: &mut PhysicalIds) -> Result<(), TemplateError> {
        for id in self.resources_of_type(INTEGRATION)? {
            ids.set_ref(id, id);
        }
        for id in self.resources_of_type(STAGE)? {
            let stage = self.text(id, "StageName", ids)?;
            ids.set_ref(id, stage);
        }
        Ok(())
    }

    /// Reads the WebSocket API; it, its parts and its functions must have their physical ids.
    ///
    /// # Errors
    /// If a property is missing, of the wrong kind, or can't be evaluated.
    pub fn socket(&self, id: &str, ids: &PhysicalIds) -> Result<SocketSpec, TemplateError> {
        let selection = self.text(id, "RouteSelectionExpression", ids)?;
        let stage = self.socket_stage(id, ids)?;
        if self.resource(id)?["Type"] == SAM {
            return Ok(SocketSpec { stage, selection, routes: self.sam_routes(id, ids)? });
        }
        let mut routes = BTreeMap::new();
        for route in self.parts(ROUTE, id, ids)? {
            let target = self.text(route, "Target", ids)?;
            let integration = target.strip_prefix("integrations/").unwrap_or(&target);
            let function = function_of(&self.text(integration, "IntegrationUri", ids)?, integration)?;
            let has_response = self.text(route, "RouteResponseSelectionExpression", ids).is_ok();
            routes.insert(self.text(route, "RouteKey", ids)?, SocketRoute { function, has_response });
        }
        Ok(SocketSpec { stage, selection, routes })
    }

    /// Path of the WebSocket API's stage, which is part of its address.
    ///
    /// # Errors
    /// If it has none, or its name can't be evaluated.
    pub fn socket_stage(&self, id: &str, ids: &PhysicalIds) -> Result<String, TemplateError> {
        if self.resource(id)?["Type"] == SAM {
            let stage = self.property(id, "StageName", ids)?;
            return Ok(stage.as_str().unwrap_or(SAM_STAGE).to_owned());
        }
        let stages = self.parts(STAGE, id, ids)?;
        let stage = stages.first().ok_or_else(|| TemplateError::invalid(at(id, ""), "has no stage"))?;
        self.text(stage, "StageName", ids)
    }

    fn sam_routes(
        &self,
        id: &str,
        ids: &PhysicalIds,
    ) -> Result<BTreeMap<String, SocketRoute>, TemplateError> {
        let declared = self.property(id, "Routes", ids)?;
        let routes = declared.as_object().into_iter().flatten().map(|(key, route)| {
            let arn = route["FunctionArn"].as_str().unwrap_or_default();
            let function = function_of(arn, id)?;
            let has_response = !route["RouteResponseSelectionExpression"].is_null();
            Ok((key.clone(), SocketRoute { function, has_response }))
        });
        routes.collect()
    }

    /// Resources of a type that belong to an API.
    fn parts(&self, kind: &str, api: &str, ids: &PhysicalIds) -> Result<Vec<&str>, TemplateError> {
        let api = ids.get_ref(api).unwrap_or(api);
        let mut parts = Vec::new();
        for id in self.resources_of_type(kind)? {
            if self.property(id, "ApiId", ids)? == api {
                parts.push(id);
            }
        }
        Ok(parts)
    }

    fn text(&self, id: &str, property: &str, ids: &PhysicalIds) -> Result<String, TemplateError> {
        match self.property(id, property, ids)? {
            Value::String(text) => Ok(text),
            _ => Err(TemplateError::invalid(at(id, property), "is not text")),
        }
    }
}

/// The function's name in its ARN, which an integration's address holds.
fn function_of(uri: &str, id: &str) -> Result<String, TemplateError> {
    let name = uri.split_once(":function:").map(|(_, rest)| rest.split(['/', ':']).next().unwrap_or(rest));
    let name = name.ok_or_else(|| TemplateError::invalid(at(id, ""), format!("`{uri}` is no function")))?;
    Ok(name.to_owned())
}

fn at(id: &str, property: &str) -> String {
    format!("Resources.{id}.Properties.{property}").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:talk";

    fn read(text: &str) -> SocketSpec {
        let template = Template::parse(text, &BTreeMap::new()).unwrap();
        let mut ids = PhysicalIds::default();
        ids.set_attribute("Talk", "Arn", FUNCTION);
        let id = template.socket_id().unwrap().unwrap().to_owned();
        ids.set_ref(&id, "socket");
        template.name_socket_parts(&mut ids).unwrap();
        template.socket(&id, &ids).unwrap()
    }

    fn route(has_response: bool) -> SocketRoute {
        SocketRoute { function: "talk".to_owned(), has_response }
    }

    #[test]
    fn both_ways_to_write_an_api_are_read() {
        let plain = read(
            r#"
            Resources:
              Http: { Type: AWS::ApiGatewayV2::Api, Properties: { ProtocolType: HTTP } }
              Socket:
                Type: AWS::ApiGatewayV2::Api
                Properties: { ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.type }
              Stage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Socket, StageName: live } }
              Calls:
                Type: AWS::ApiGatewayV2::Integration
                Properties:
                  ApiId: !Ref Socket
                  IntegrationUri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Talk.Arn}/invocations
              Connect:
                Type: AWS::ApiGatewayV2::Route
                Properties: { ApiId: !Ref Socket, RouteKey: $connect, Target: !Sub "integrations/${Calls}" }
              Ping:
                Type: AWS::ApiGatewayV2::Route
                Properties:
                  ApiId: !Ref Socket
                  RouteKey: ping
                  Target: !Join ["/", [integrations, !Ref Calls]]
                  RouteResponseSelectionExpression: $default
            "#,
        );
        let sam = read(
            r#"
            Resources:
              Socket:
                Type: AWS::Serverless::WebSocketApi
                Properties:
                  StageName: live
                  RouteSelectionExpression: $request.body.type
                  Routes:
                    $connect: { FunctionArn: !GetAtt Talk.Arn }
                    ping: { FunctionArn: !GetAtt Talk.Arn, RouteResponseSelectionExpression: $default }
            "#,
        );
        assert_eq!(plain, sam);
        assert_eq!((plain.stage.as_str(), plain.selection.as_str()), ("live", "$request.body.type"));
        let expected = [("$connect".to_owned(), route(false)), ("ping".to_owned(), route(true))];
        assert_eq!(plain.routes, BTreeMap::from(expected));
    }

    #[test]
    fn a_template_without_one_has_none() {
        let template = Template::parse("Resources: {}", &BTreeMap::new()).unwrap();
        assert_eq!(template.socket_id().unwrap(), None);
    }
}
