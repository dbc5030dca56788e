-- A journal of version 1. See test_version_1.py.
CREATE TABLE runs(
    no integer primary key,
    id text not null unique,
    status text not null,
    message text not null,
    marks text not null default '{}',
    started real not null,
    ended real,
    error text not null default '',
    owner text not null default '',
    forked_from text,
    forked_at integer,
    kept integer not null default 0
);
CREATE TABLE facts(at integer primary key, call integer not null, kind text not null, body blob);
CREATE TABLE files(hash blob primary key, data blob not null);
CREATE TABLE file_uses(
    hash blob not null, run integer not null, primary key(hash, run)
) without rowid;
CREATE TABLE inbox(
    no integer primary key,
    run integer not null,
    kind text not null,
    id text not null,
    address text,
    body text not null,
    sent real not null,
    outcome text,
    unique(run, kind, id)
);
insert into runs values(1, 'ended', 'returned', 'Go.', '{"agents":{"lead":"ccbba22bba041f32","writer":"dae5e14004c5668d"},"tools":{"look":"96c01d846c0b69aa"}}', 1795921918.8054104, 1795921918.816682, '', 'process 4711 on host a', null, null, 0);
insert into runs values(2, 'open', 'running', 'Go.', '{"agents":{"lead":"ccbba22bba041f32","writer":"dae5e14004c5668d"},"tools":{"look":"96c01d846c0b69aa"}}', 1795921919.6991165, null, '', 'process 4711 on host a', null, null, 0);
insert into facts values(4294967296, 0, 'RunStarted', cast('["user","ended",null,[1795921918.805746,"Go.",["lead"],[["lead","m","scripted",null],["writer","m","scripted",null]],[],[["look",false]],{"turns":null,"calls":null,"depth":null,"requests":null,"tokens":null,"cost":null,"seconds":null,"repeats":null,"parallel":null,"tool_calls":null,"mail":100000,"warn_at":0.9,"prices":{}},0,[{"mime_type":"image/png","data":"\u0040c9fc49d73e3f47238cd036815d8b3a80","url":null,"name":"sea.png"}]]]' as blob));
insert into facts values(4294967297, 1, 'CallOpened', cast('["lead","ended",null,[1795921918.8063684,{"type":"forward","sender":"user","receiver":"lead","content":"Go.","call_id":"ended","attachments":[{"mime_type":"image/png","data":"\u0040c9fc49d73e3f47238cd036815d8b3a80","url":null,"name":"sea.png"}],"approval":null,"options":[]}]]' as blob));
insert into facts values(4294967298, 1, 'CallStarted', cast('[1795921918.812338,null]' as blob));
insert into facts values(4294967299, 1, 'ModelAsked', cast('[1795921918.812791,"m"]' as blob));
insert into facts values(4294967300, 1, 'Replied', cast('[1795921918.8131285,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1","name":"call_agent","arguments":"{\"agent_name\":\"writer\",\"message\":\"Write about the sea.\"}","place":{"turn":0,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},0,0.00025463104248046875,null,"m",true]' as blob));
insert into facts values(4294967301, 1, 'ToolStarted', cast('[1795921918.8133123,{"turn":0,"index":0},true]' as blob));
insert into facts values(4294967302, 2, 'CallOpened', cast('["writer","0626a378b2e111ad7d366da3e92a3532","ended",[1795921918.8134313,{"type":"forward","sender":"lead","receiver":"writer","content":"Write about the sea.","call_id":"0626a378b2e111ad7d366da3e92a3532","attachments":null,"approval":null,"options":[]},"0.0"]]' as blob));
insert into facts values(4294967303, 2, 'CallStarted', cast('[1795921918.8134818,null,false,false,"0.0"]' as blob));
insert into facts values(4294967304, 2, 'ModelAsked', cast('[1795921918.813685,"m"]' as blob));
insert into facts values(4294967305, 2, 'Replied', cast('[1795921918.8138998,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1","name":"look","arguments":"{\"what\":\"waves\"}","place":{"turn":0,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},0,0.00016880035400390625,null,"m",true]' as blob));
insert into facts values(4294967306, 2, 'ToolStarted', cast('[1795921918.8140373,{"turn":0,"index":0},false]' as blob));
insert into facts values(4294967307, 2, 'ToolFinished', cast('[1795921918.814737,[{"turn":0,"index":0},"waves were seen",[],false,false],false]' as blob));
insert into facts values(4294967308, 2, 'ModelAsked', cast('[1795921918.8149319,"m",1]' as blob));
insert into facts values(4294967309, 2, 'Replied', cast('[1795921918.815111,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1_0","name":"look","arguments":"{\"what\":\"sand\"}","place":{"turn":1,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},1,0.00013017654418945312,null,"m",true]' as blob));
insert into facts values(4294967310, 2, 'ToolStarted', cast('[1795921918.8152416,{"turn":1,"index":0},false]' as blob));
insert into facts values(4294967311, 2, 'ToolFinished', cast('[1795921918.8154864,[{"turn":1,"index":0},"sand were seen",[],false,false],false]' as blob));
insert into facts values(4294967312, 2, 'ModelAsked', cast('[1795921918.8156383,"m",2]' as blob));
insert into facts values(4294967313, 2, 'Replied', cast('[1795921918.815866,{"type":"Reply","parts":[{"type":"Text","text":"The sea is wide."}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},2,0.00015997886657714844,null,"m",true]' as blob));
insert into facts values(4294967314, 2, 'CallReturned', cast('[1795921918.8159766,{"type":"return","sender":"writer","receiver":"lead","content":"The sea is wide.","call_id":"0626a378b2e111ad7d366da3e92a3532","attachments":null,"approval":null,"options":[]}]' as blob));
insert into facts values(4294967315, 1, 'ToolFinished', cast('[1795921918.8160102,[{"turn":0,"index":0},"[writer]The sea is wide.[/writer]",[],false,false],true]' as blob));
insert into facts values(4294967316, 1, 'ModelAsked', cast('[1795921918.816158,"m",1]' as blob));
insert into facts values(4294967317, 1, 'Replied', cast('[1795921918.816283,{"type":"Reply","parts":[{"type":"Text","text":"all done"}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},1,0.00008821487426757812,null,"m",true]' as blob));
insert into facts values(4294967318, 1, 'CallReturned', cast('[1795921918.816381,{"type":"return","sender":"lead","receiver":"user","content":"all done","call_id":"ended","attachments":null,"approval":null,"options":[]}]' as blob));
insert into facts values(4294967319, 0, 'RunEnded', cast('[1795921918.816682,"completed",[{"name":"lead","call_id":"ended","text":"all done","attachments":[],"data":null}],"all done"]' as blob));
insert into facts values(8589934592, 0, 'RunStarted', cast('["user","open",null,[1795921919.704915,"Go.",["lead"],[["lead","m","scripted",null],["writer","m","scripted",null]],[],[["look",false]],{"turns":null,"calls":null,"depth":null,"requests":null,"tokens":null,"cost":null,"seconds":null,"repeats":null,"parallel":null,"tool_calls":null,"mail":100000,"warn_at":0.9,"prices":{}},0,[{"mime_type":"image/png","data":"\u0040c9fc49d73e3f47238cd036815d8b3a80","url":null,"name":"sea.png"}]]]' as blob));
insert into facts values(8589934593, 1, 'CallOpened', cast('["lead","open",null,[1795921919.7055328,{"type":"forward","sender":"user","receiver":"lead","content":"Go.","call_id":"open","attachments":[{"mime_type":"image/png","data":"\u0040c9fc49d73e3f47238cd036815d8b3a80","url":null,"name":"sea.png"}],"approval":null,"options":[]}]]' as blob));
insert into facts values(8589934594, 1, 'CallStarted', cast('[1795921919.7154076,null]' as blob));
insert into facts values(8589934595, 1, 'ModelAsked', cast('[1795921919.7157834,"m"]' as blob));
insert into facts values(8589934596, 1, 'Replied', cast('[1795921919.7161047,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1","name":"call_agent","arguments":"{\"agent_name\":\"writer\",\"message\":\"Write about the sea.\"}","place":{"turn":0,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},0,0.00024580955505371094,null,"m",true]' as blob));
insert into facts values(8589934597, 1, 'ToolStarted', cast('[1795921919.7162864,{"turn":0,"index":0},true]' as blob));
insert into facts values(8589934598, 2, 'CallOpened', cast('["writer","6b57c46d81e10f2b5f970257c5d14b76","open",[1795921919.7164435,{"type":"forward","sender":"lead","receiver":"writer","content":"Write about the sea.","call_id":"6b57c46d81e10f2b5f970257c5d14b76","attachments":null,"approval":null,"options":[]},"0.0"]]' as blob));
insert into facts values(8589934599, 2, 'CallStarted', cast('[1795921919.7165022,null,false,false,"0.0"]' as blob));
insert into facts values(8589934600, 2, 'ModelAsked', cast('[1795921919.7167125,"m"]' as blob));
insert into facts values(8589934601, 2, 'Replied', cast('[1795921919.716941,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1","name":"look","arguments":"{\"what\":\"waves\"}","place":{"turn":0,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},0,0.00018024444580078125,null,"m",true]' as blob));
insert into facts values(8589934602, 2, 'ToolStarted', cast('[1795921919.7170854,{"turn":0,"index":0},false]' as blob));
insert into facts values(8589934603, 2, 'ToolFinished', cast('[1795921919.7208848,[{"turn":0,"index":0},"waves were seen",[],false,false],false]' as blob));
insert into facts values(8589934604, 2, 'ModelAsked', cast('[1795921919.7210786,"m",1]' as blob));
insert into facts values(8589934605, 2, 'Replied', cast('[1795921919.7212448,{"type":"Reply","parts":[{"type":"ToolCall","id":"call_1_0","name":"look","arguments":"{\"what\":\"sand\"}","place":{"turn":1,"index":0}}],"stop":"complete","usage":{"input_tokens":null,"output_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"complete":false,"by_call":{}},"native":null},1,0.00011920928955078125,null,"m",true]' as blob));
insert into facts values(8589934606, 2, 'ToolStarted', cast('[1795921919.7213585,{"turn":1,"index":0},false]' as blob));
insert into files values(x'c9fc49d73e3f47238cd036815d8b3a80', cast('iVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBOiVBO' as blob));
insert into file_uses values(x'c9fc49d73e3f47238cd036815d8b3a80', 1);
insert into file_uses values(x'c9fc49d73e3f47238cd036815d8b3a80', 2);
pragma user_version = 1;
