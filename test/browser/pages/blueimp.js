import $ from 'jquery';
import 'blueimp-file-upload';
import { mediadockOptions } from '../../../packages/client/recipes/blueimp.js';
import { onError, onMedia, picker, token, url } from './told.js';

$(picker).fileupload(mediadockOptions({ url, token, onMedia, onError }));
