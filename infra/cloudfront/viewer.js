// Tells the hub who asks. What the caller says in that header is overwritten.
function named(event) {
  var request = event.request;
  request.headers['berth-viewer'] = { value: event.viewer.ip };
  return request;
}
