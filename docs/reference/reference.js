// Shows the API description of the service that this page comes from.
SwaggerUIBundle({
  dom_id: '#reference',
  url: new URL('openapi.json', location.href).href,
  plugins: [emptyOptionalParameters],
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  persistAuthorization: false, // the token is kept in memory only
  queryConfigEnabled: false, // or a link could show another description
  validatorUrl: null,
});

// Keeps optional parameters empty. swagger-ui would fill in their examples, and
// lists would be filtered by them.
function emptyOptionalParameters() {
  const withoutExample = (original) => (_state, ...args) => {
    const parameter = original(...args);
    return parameter?.get('required') ? parameter : parameter?.delete('example').deleteIn(['schema', 'example']);
  };
  return { statePlugins: { spec: { wrapSelectors: { parameterWithMetaByIdentity: withoutExample } } } };
}
