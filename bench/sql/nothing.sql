SELECT dispatch.uuidv7();
