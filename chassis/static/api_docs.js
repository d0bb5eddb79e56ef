// The page /api/docs: Swagger UI over this service's own description.
// The page has a heading of its own. There is one server, so nobody has to choose it. And a link does not fit into the
// button that opens an operation; the operation's address works all the same.
const ours = () => ({
  wrapComponents: {
    InfoContainer: () => () => null,
    ServersContainer: () => () => null,
    DeepLink: (_original, system) => ({ text }) => system.React.createElement("span", null, text),
  },
});
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  plugins: [ours],
});
