// Answers an upload that is larger than what a function takes, in the form of the
// registry's errors. Everything else goes on.

// A request to a function carries 6 MB, and bytes arrive in base64.
var most = 4500000;

function handler(event) {
  var request = event.request;
  var length = request.headers['content-length'];
  if (['POST', 'PUT', 'PATCH'].indexOf(request.method) < 0 || !length || !(Number(length.value) > most)) {
    return named(event);
  }
  return {
    statusCode: 413,
    statusDescription: 'Content Too Large',
    headers: {
      'content-type': { value: 'application/json' },
      'docker-distribution-api-version': { value: 'registry/2.0' },
    },
    body: {
      encoding: 'text',
      data: JSON.stringify({
        errors: [{
          code: 'SIZE_INVALID',
          message: 'this hub takes at most ' + most + ' bytes in one request',
          detail: 'push with "berth push", which sends layers of any size straight to the storage; '
            + 'or ask the operator to deploy the hub with ingest=on, or push in chunks of at most ' + most + ' bytes',
        }],
      }),
    },
  };
}
